using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>
/// What graphs of a model take, counted before any is drawn.
/// 1. Rows: nodes at each position of each selected site, by what is expected of active features.
/// 2. Operations: <see cref="FlopCount"/> of the graphs that would be run, with these rows; encoders; moved nodes.
/// 3. Memory: what lives at one time in each graph, what sessions hold of weights, and what is kept beside them.
/// </summary>
/// <param name="expected">Of the prompts.</param>
/// <param name="options">As they count for the model (<see cref="ReplacedOptions"/>).</param>
internal sealed class GraphCost(LoadedModel model, GraphOptions options, ExpectedNodes expected)
{
    // of nodes that are all moved
    private const int MostMovedCounted = 512;

    private readonly GradientGraphs _graphs = GradientGraphs.Of(model);

    /// <summary>Stages that are asked for and not counted.</summary>
    public static IReadOnlyList<string> NotCounted(GraphOptions options) =>
    [
        .. options.Edges == EdgeMethod.Exact ? ["exact edges"] : (string[])[],
        .. options.Heads is not null ? ["heads"] : (string[])[],
        .. options.Targets is not null ? ["outputs"] : (string[])[],
        .. options.Method == EffectMethod.Ig ? ["steps of integrated gradients"] : (string[])[],
        .. options.Method == EffectMethod.Atpstar ? ["passes of AtP*"] : (string[])[],
    ];

    /// <summary>One prompt of so many tokens.</summary>
    /// <param name="hasPatch">There is a patch prompt.</param>
    /// <exception cref="Runtime.MemoryBudgetException">Not even one row fits the budget of a run.</exception>
    public PromptCost Of(int positions, bool hasPatch)
    {
        var (rows, edges, pass, memory) = Counted(positions);
        var direct = rows.Tangents.Sum(t => (long)t.Sum());
        var pairs = edges.Sum(e => e.Pairs) + direct;
        var sizes = Sizes(positions, rows);
        var runs = hasPatch ? 2 : 1;
        var dictionaries = model.SelectedSites.Select(s => s.Dictionary).OfType<SparseDictionary>().ToList();
        var (ofPass, weights) = (PassOperations(pass, sizes), WeightPacking.BytesOf(pass));
        return new PromptCost(positions, rows.Planned(), [
            new("passes", runs * ofPass, runs * weights),
            new("dictionaries", runs * dictionaries.Sum(d => DictionaryEncoder.Operations(d, positions)),
                runs * dictionaries.Sum(GraphMemory.EncoderBytes)),
            new("cotangents", 0, dictionaries.Sum(GraphMemory.EncoderBytes)),
            new("node effects", MovedOperations(positions, rows), 0),
            new("edges", edges.Sum(e => e.Operations), edges.Sum(e => e.Graph is null ? 0 : WeightPacking.BytesOf(e.Graph))),
        ], pairs)
        {
            Memory = memory.All(),
            Least = memory.Least(),
            LaidOutBytes = memory.LaidOutBytes,
            SharedPassOperations = IsShared ? runs * FlopCount.Of(Batch, sizes) : runs * ofPass,
            Held = memory.Held(IsShared ? LiveMemory.Peak(Batch, sizes) : 0),
            HasPatch = hasPatch,
            Sessions = 2 + edges.Count(e => e.Graph is not null),
            Edges = Math.Min(pairs, options.TopEdges ?? long.MaxValue),
        };
    }

    /// <summary>Prompts that are run side by side, as <see cref="PromptGraphs"/> runs them.</summary>
    /// <param name="prompts">What each takes alone.</param>
    public WindowCost Of(IReadOnlyList<PromptCost> prompts) => new(model, (options, expected), prompts);

    private bool IsShared => PromptGraphs.IsShared(model, options);

    private OnnxGraph Batch => _graphs.BatchGraph(PassKind, options.Estimator);

    /// <summary>Memory that a prompt of so many tokens cannot be done without, the largest part first.</summary>
    /// <exception cref="Runtime.MemoryBudgetException">Not even one row fits the budget of a run.</exception>
    public IReadOnlyList<PlannedMemory> Least(int positions) => Counted(positions).Memory.Least();

    private (NodeRows Rows, List<EdgeCost> Edges, OnnxGraph Pass, GraphMemory Memory) Counted(int positions)
    {
        var rows = new NodeRows(model, options, expected, positions);
        var edges = model.SelectedSites.Select((_, i) =>
            EdgeCost.Into(model, i, options.Estimator, rows.Tangents, rows.Cotangents[i])).ToList();
        var (_, pass) = _graphs.PassGraph(PassKind, options.Estimator);
        var live = PassMemory.AsRun(LiveMemory.Peak(pass, Sizes(positions, rows)), model.Context.MemoryBudget);
        return (rows, edges, pass, new GraphMemory(model, rows, edges, (pass, live)));
    }

    // site by site, it is run forward twice
    private long PassOperations(OnnxGraph pass, Dictionary<string, long> sizes) =>
        PassMemory.RunsWhole(LiveMemory.Peak(pass, sizes), model.Context.MemoryBudget) ? FlopCount.Of(pass, sizes)
        : new CheckpointedSteps(model, sizes).Operations(PassKind, options.Metric.Kind == MetricKind.Kl ? null : options.Estimator,
            options.Metric.Position ?? (int)sizes["position"] - 1);

    private MetricKind PassKind => GradientGraphs.PassKind(options);

    private static Dictionary<string, long> Sizes(int positions, NodeRows rows)
    {
        var sizes = new Dictionary<string, long> { ["position"] = positions, ["batch"] = 1 };
        foreach (var (site, features) in rows.Distinct) if (site.Mlp is { } mlp) sizes[mlp.Features] = Math.Max(1, features);
        return sizes;
    }

    private long MovedOperations(int positions, NodeRows rows)
    {
        var isAll = options.Method == EffectMethod.Exact || options.ExactDepth is > 0;
        if (model.IsReplaced || (!isAll && options.RefinedNodes == 0)) return 0;
        var tokens = options.Metric.Kind switch { MetricKind.Logit => 1, MetricKind.LogitDiff => 2, _ => 0 };
        var cost = new MovedCost(model, positions, (options.Metric.Position ?? positions - 1, tokens));
        var end = options.Metric.Position ?? positions - 1;
        var first = expected.MovedFirst(model.Selected, end);
        if (!isAll) return cost.OfRefinement(first, rows.Count, options.RefinedNodes);
        var spread = (expected with { Strongest = [] }).MovedFirst(model.Selected, end);
        return cost.OfAll([.. spread.Take((int)Math.Min(MostMovedCounted, rows.Count))], rows.Count,
            options.Method == EffectMethod.Exact ? MovedNodes.Whole : options.ExactDepth!.Value);
    }
}
