using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>What a <see cref="CheckpointedPass"/> runs: its sites, what lies between them, and the chunks that fit into the budget. Its
/// operations are counted from that without a run.</summary>
/// <param name="sizes">Of symbolic axes, with the prompt's length.</param>
internal sealed class CheckpointedSteps(LoadedModel model, IReadOnlyDictionary<string, long> sizes)
{
    private RowSegment[]? _segments;

    /// <summary>The sites that are kept, in the order of computation.</summary>
    public IReadOnlyList<Value> Sites { get; } = Waists.Among(model.AllSites, model.Graph[ModelBundle.Logits]);

    /// <summary>How each of them is computed.</summary>
    public IReadOnlyList<RowSegment> Segments => _segments ??= [.. Sites.Select(s => RowSegment.Of(s, Sites))];

    /// <summary>The place of the first site whose gradient may be asked for.</summary>
    public int First => Sites.Index().First(s => s.Item == model.Graph[GradientGraphs.WithGradients(model).First().Name]).Index;

    private int Length => (int)sizes["position"];

    /// <summary>The metric, and its gradient at the sites that it reads.</summary>
    /// <param name="rules">null: no gradient is asked for.</param>
    /// <returns>Among them the sites with a gradient, whose names in the graph are the sites' with <c>.grad</c>.</returns>
    public (MetricGraph Metric, OnnxGraph Graph, Value[] Wanted) Metric(MetricKind kind, GradientRules? rules)
    {
        var metric = MetricGraph.Build(model.Graph, kind, Sites);
        var read = Topology.DirectlyReadBy(metric.Value, Sites.ToHashSet());
        Value[] wanted = rules is null ? [] : [.. Sites.Skip(First).Where(read.Contains)];
        var gradients = rules is null ? null : metric.Gradients(rules, wanted, Sites);
        wanted = [.. wanted.Where(w => gradients!.ContainsKey(w))];
        Value[] outputs = [metric.Value, metric.Logits, metric.TargetToken, metric.FoilToken,
            .. wanted.Select(w => metric.G.Identity(gradients![w], w.Name + ".grad"))];
        return (metric, new([model.Graph[ModelBundle.Tokens], .. model.ReplacementInputs, .. Sites, .. metric.Inputs], outputs), wanted);
    }

    /// <summary>Positions that are run at once.</summary>
    /// <param name="rows">Positions, ascending.</param>
    /// <param name="isPrefixed">Each chunk is given nothing behind its last.</param>
    public IEnumerable<int[]> Chunks(OnnxGraph graph, int[] rows, bool isPrefixed)
    {
        var budget = model.Context.MemoryBudget;
        return isPrefixed ? PassMemory.PrefixedRows(graph, sizes, rows, budget)
            : rows.Chunk(PassMemory.RowsPerRun(graph, sizes, rows.Length, budget));
    }

    /// <summary>Floating-point operations of the matrix products of a run of one of the graphs.</summary>
    /// <param name="positions">That it is given.</param>
    public long Operations(OnnxGraph graph, int rows, int positions) =>
        FlopCount.Of(graph, new Dictionary<string, long>(sizes) { ["rows"] = rows, ["position"] = positions });

    /// <summary>Floating-point operations of the whole pass. Tables that mask attention are looked at; nothing else is run.</summary>
    /// <param name="estimator">null: no gradient is asked for.</param>
    /// <param name="end">The metric's position.</param>
    public long Operations(MetricKind kind, Estimator? estimator, int end)
    {
        using var tables = Tables();
        var (rules, all) = (estimator?.Rules(), Enumerable.Range(0, Length).ToArray());
        var operations = Segments.Sum(s => OfMixed(s) + InChunks(s, s.Forward(), all, tables));
        var (_, graph, wanted) = Metric(kind, rules);
        operations += Operations(graph, 1, Length);
        // where there is a gradient: what the metric reads, at its position; what is read at other positions, where masks let it be
        var rows = wanted.ToDictionary(w => w, _ => new SortedSet<int> { end });
        for (var i = Sites.Count - 1; i >= First && rules is not null; i--)
        {
            if (!rows.TryGetValue(Sites[i], out var at)) continue;
            Value[] read = [.. Segments[i].Reads.Where(r => Sites.Index().First(s => s.Item == r).Index >= First)];
            if (read.Length == 0) continue;
            operations += PulledBack((Sites[i], Segments[i]), Segments[i].PullBack(read, rules), rows, tables);
        }
        return operations;
    }

    private long PulledBack((Value Site, RowSegment How) computed, RowPullBack back, Dictionary<Value, SortedSet<int>> rows,
        AttentionTables tables)
    {
        var (of, segment) = computed;
        int[] at = [.. rows[of]];
        var read = tables.ReadFrom(segment.Prefix, at);
        void Arrive(Value site, IEnumerable<int> there)
        {
            if (!rows.TryGetValue(site, out var known)) rows[site] = known = [];
            known.UnionWith(there);
        }
        foreach (var p in back.At)
        {
            if (p.IsSame || p.RowsOutput is not null) Arrive(p.At, at);
            if (p.WholeOutput is not null) Arrive(p.At, read);
        }
        if (back.Rows is not { } graph) return 0;
        var operations = OfMixed(segment) + InChunks(segment, graph, at, tables);
        if (back.Whole is not { } last) return operations;
        foreach (var (site, _) in last.Yields) Arrive(site, read);
        return operations + Operations(last.Graph, 1, Length);
    }

    private long OfMixed(RowSegment segment) => segment.MixedForward() is { } graph ? Operations(graph, 1, Length) : 0;

    private long InChunks(RowSegment segment, OnnxGraph graph, int[] rows, AttentionTables tables)
    {
        var isPrefixed = tables.AreCausal(segment.Prefix);
        return Chunks(graph, rows, isPrefixed).Sum(chunk => Operations(graph, chunk.Length, isPrefixed ? chunk[^1] + 1 : Length));
    }

    private AttentionTables Tables()
    {
        Value[] masks = [.. Segments.SelectMany(s => s.Prefix?.Masks ?? []).Select(m => m.Table).Distinct()];
        if (masks.Length == 0) return new AttentionTables(null, Length);
        var graph = new OnnxGraph([model.Graph[ModelBundle.Tokens]], masks);
        using var runner = new GraphRunner(graph, model.Context, model.Directory, prepack: false);
        using var feed = new Feed().AddTokens(new int[Length]);
        return new AttentionTables(runner.Run(feed.Values, runner.Outputs), Length);
    }
}
