using System.Collections.Frozen;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>What the gradient rules are tested on: small graphs around one operator each, by name.</summary>
internal static partial class OperatorCases
{
    private static readonly FrozenDictionary<string, OperatorCase> Table =
        new[] { Products(), Elementwise(), Broadcasts(), Kinks(), Normalizations(), Reductions(), Layout(), Indexing(), Composites() }
        .SelectMany(family => family).ToFrozenDictionary(c => c.Name);

    public static IEnumerable<OperatorCase> All => Table.Values.OrderBy(c => c.Name, StringComparer.Ordinal);

    public static TheoryData<string> Names => [.. All.Select(c => c.Name)];

    /// <summary>Every operator that appears in a case, to hold against the table of rules.</summary>
    public static IReadOnlySet<string> Operators { get; } = Table.Values.SelectMany(c => c.Graph.Node).Select(n => n.OpType).ToHashSet();

    public static OperatorCase Get(string name) => Table[name];

    /// <summary>A case whose inputs are all differentiable, or only those named.</summary>
    private static OperatorCase Case(string name, CaseInput[] inputs, Func<GraphSketch, GraphSketch> body, params string[] differentiable)
    {
        var sketch = inputs.Aggregate(new GraphSketch(), (s, input) => s.Input(input.Name, input.Shape));
        return new(name, body(sketch).ToGraph(OperatorCase.Output), inputs,
            differentiable is [] ? [.. inputs.Select(i => i.Name)] : differentiable);
    }

    /// <summary>A case of one node.</summary>
    private static OperatorCase Case(string name, CaseInput[] inputs, string equation, params (string Name, object Value)[] attributes) =>
        Case(name, inputs, g => g.Node(equation, attributes));

    private static CaseInput X(params int[] shape) => new("x", shape, Domain.Any);

    private static CaseInput X(Domain domain, params int[] shape) => new("x", shape, domain);

    private static CaseInput Y(params int[] shape) => new("y", shape, Domain.Any);

    private static CaseInput Y(Domain domain, params int[] shape) => new("y", shape, domain);

    private static CaseInput Bias(params int[] shape) => new("b", shape, Domain.Any);
}
