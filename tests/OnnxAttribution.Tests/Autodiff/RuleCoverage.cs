using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>Which operators of an <see cref="OperatorCase"/> a derivative passes through,
/// and with that which rules the case needs.</summary>
internal static class RuleCoverage
{
    /// <summary>Types of the nodes between a differentiable input and the output, without those behind a piecewise constant one.</summary>
    public static IReadOnlySet<string> Differentiated(OperatorCase f)
    {
        var reached = f.Differentiable.ToHashSet();
        var types = new HashSet<string>();
        foreach (var node in f.Graph.Node.Where(n => !VjpRules.NothingFlows.Contains(n.OpType) && n.Input.Any(reached.Contains)))
        {
            types.Add(node.OpType);
            reached.UnionWith(node.Output);
        }
        return types;
    }

    /// <summary>The cases for which a claim holds, once for each way of declaring their inputs.</summary>
    public static TheoryData<string, KnownAxes> Cases(Func<OperatorCase, KnownAxes, bool> claim)
    {
        var data = new TheoryData<string, KnownAxes>();
        foreach (var f in OperatorCases.All)
        {
            foreach (var known in Enum.GetValues<KnownAxes>().Where(known => claim(f, known))) data.Add(f.Name, known);
        }
        return data;
    }
}
