using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>What ablating each node of a site has done. Filled by <see cref="FeatureAblation"/>.</summary>
/// <param name="downstream">Indices of the selected sites that its edges lead to.</param>
internal sealed class SiteOutcome(SiteFeatures ablated, IEnumerable<int> downstream, AblationOptions options)
{
    /// <summary>The site and its nodes.</summary>
    public SiteFeatures Ablated => ablated;

    /// <summary>Per node, the metric's change; NaN where it was not asked for.</summary>
    public float[] Metric { get; } = NotMeasured(ablated, options);

    /// <summary>Per node, the part of it along paths that meet no other selected site; NaN where it was not asked for.</summary>
    public float[] Direct { get; } = NotMeasured(ablated, options);

    /// <summary>Edges by the index of the downstream site.</summary>
    public IReadOnlyDictionary<int, StrongestEdges> Edges { get; } =
        downstream.ToDictionary(d => d, d => new StrongestEdges(d, options.TopEdges, options.Threshold));

    /// <summary>The tokens whose probability moved most, node by node.</summary>
    public List<(NodeKey Node, int Rank, TokenChange Change)> Tokens { get; } = [];

    private static float[] NotMeasured(SiteFeatures ablated, AblationOptions options)
    {
        var changes = new float[ablated.Nodes.Length];
        if (!options.Logits) Array.Fill(changes, float.NaN);
        return changes;
    }
}

/// <summary>
/// Runs the ablations of one site after the other, as many side by side as memory allows.
/// Where all that the site does goes through one other site, or straight to the logits, one pass reads that site and goes on to the logits;
/// else one pass reads the sites that follow, each then put back to its clean value, with every other selected site frozen, and another
/// without freezing gives metric and probabilities.
/// </summary>
internal sealed class FeatureAblation(ActivationCache clean, SiteGraph sites, AblationOptions options, LogitReader logits, StageClock clock)
{
    private readonly LoadedModel _model = clean.Model;
    private readonly FeatureReader _reader = new(clean.Model, clean.Tokens.Count, options.Measure);
    private long _operations;

    /// <summary>What a pass reads, besides the ablated site.</summary>
    [Flags]
    private enum Reads
    {
        Edges = 1,
        Logits = 2,
    }

    /// <summary>Nodes first to first + count − 1 of a site, ablated in rows 1, 2, … of a pass.</summary>
    private readonly record struct Batch(SiteOutcome To, int First, int Count)
    {
        public ReadOnlyMemory<NodeKey> Nodes => To.Ablated.Nodes.AsMemory(First, Count);
    }

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations => _operations + _reader.Operations;

    /// <summary>Ablates every node of a site.</summary>
    /// <param name="progress">Told how many nodes are done.</param>
    public SiteOutcome Run(SiteFeatures site, Action<int> progress)
    {
        var outcome = new SiteOutcome(site, sites.Children(site.Index).Where(d => _model.SelectedSites[d].Dictionary is not null), options);
        var perPass = clean.RowsPerPass() - 1;
        for (var first = 0; options.Coefficient != 1 && first < site.Nodes.Length; first += perPass)
        {
            var batch = new Batch(outcome, first, Math.Min(perPass, site.Nodes.Length - first));
            if (sites.IsChain(site.Index)) InOnePass(batch);
            else InTwoPasses(batch);
            progress(first + batch.Count);
        }
        return outcome;
    }

    private void InOnePass(Batch batch)
    {
        if (Pass(batch, options.Logits ? Reads.Edges | Reads.Logits : Reads.Edges, []) is not { } values) return;
        Measure(values, batch, batch.To.Metric);
        if (sites.ReachesMetric(batch.To.Ablated.Index))
        {
            batch.To.Metric.AsSpan(batch.First, batch.Count).CopyTo(batch.To.Direct.AsSpan(batch.First));
        }
        CollectTokens(values, batch);
    }

    private void InTwoPasses(Batch batch)
    {
        var index = batch.To.Ablated.Index;
        var frozen = _model.Selected.Where((_, i) => i != index && !batch.To.Edges.ContainsKey(i)).ToList();
        var toLogits = options.Logits && sites.ReachesMetric(index);
        if (Pass(batch, toLogits ? Reads.Edges | Reads.Logits : Reads.Edges, frozen) is { } direct) Measure(direct, batch, batch.To.Direct);
        if (!options.Logits || Pass(batch, Reads.Logits, []) is not { } whole) return;
        Measure(whole, batch, batch.To.Metric);
        CollectTokens(whole, batch);
    }

    // the logits [rows, vocabulary] where they are read, else null
    private float[]? Pass(Batch batch, Reads reads, IReadOnlyList<Site> frozen)
    {
        var ablated = batch.To.Ablated;
        int[] downstream = reads.HasFlag(Reads.Edges) ? [.. batch.To.Edges.Keys.Order()] : [];
        var toLogits = reads.HasFlag(Reads.Logits);
        if (downstream.Length == 0 && !toLogits) return null;
        int[] stops = [ablated.Index, .. downstream];
        using var pass = clean.Intervene(batch.Count + 1, [.. stops.Select(s => _model.Selected[s])], frozen);
        foreach (var at in pass)
        {
            clock.Record("passes");
            if (at.Site == ablated.Site)
            {
                at.Add(Enumerable.Range(0, batch.Count).SelectMany(i => ablated.Changes(batch.First + i, i + 1)));
                clock.Record("changes");
                continue;
            }
            var site = _model.SelectedSite(at.Site)!.Index;
            _reader.Read(at, _model.SelectedSites[site].Dictionary!, batch.Nodes.Span, batch.To.Edges[site]);
            if (!sites.IsChain(ablated.Index)) at.Restore();
            clock.Record("dictionaries");
            if (site == stops[^1] && !toLogits) break;
        }
        var values = toLogits ? pass.Logits(logits.Position) : null;
        if (toLogits) clock.Record("passes");
        _operations += pass.Operations;
        return values;
    }

    private void Measure(float[] values, Batch batch, float[] into)
    {
        logits.MetricChanges(values, batch.Count + 1).CopyTo(into.AsSpan(batch.First));
        clock.Record("probabilities");
    }

    private void CollectTokens(float[] values, Batch batch)
    {
        batch.To.Tokens.AddRange(logits.MostMoved(values, batch.Nodes));
        clock.Record("probabilities");
    }
}
