using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>
/// Runs the ablations of one site after the other, as many side by side as memory allows.
/// Where all that the site does goes through one other site, or straight to the logits, one pass reads that site and goes on to the logits;
/// else one pass reads the sites that follow, each then put back to its clean value, with every other selected site frozen, and another
/// without freezing gives metric and probabilities.
/// </summary>
internal sealed class FeatureAblation(ActivationCache clean, SiteGraph pairs, AblationOptions options, LogitReader logits, int position,
    StageClock clock)
{
    private readonly LoadedModel _model = clean.Model;
    private readonly FeatureReader _reader = new(clean.Model, clean.Tokens.Count, options.Measure);
    private long _operations;

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations => _operations + _reader.Operations;

    /// <summary>Ablates every node of a site.</summary>
    /// <param name="site">Its index among the selected.</param>
    /// <param name="edges">By downstream site's index; edges are added.</param>
    /// <param name="moved">The tokens that moved most are added; they name nodes by their index among those of the site.</param>
    /// <param name="progress">Told how many nodes are done.</param>
    /// <returns>Per node, the metric's change and its part along paths that meet no other selected site;
    /// NaN where logits are not asked for.</returns>
    public (float[] Metric, float[] Direct) Run(int site, SiteFeatures ablated, IReadOnlyDictionary<int, StrongestEdges> edges,
        List<NodeTokenChange> moved, Action<int> progress)
    {
        var count = ablated.Nodes.Count;
        var (metric, direct) = (new float[count], new float[count]);
        var perPass = clean.RowsPerPass() - 1;
        for (var first = 0; options.Coefficient != 1 && first < count; first += perPass)
        {
            var nodes = Math.Min(perPass, count - first);
            Span<float> metricHere = metric.AsSpan(first, nodes), directHere = direct.AsSpan(first, nodes);
            if (pairs.IsChain(site))
            {
                OnePass(site, ablated, first, nodes, edges, [], options.Logits, metricHere, moved);
                if (pairs.ReachesMetric(site)) metricHere.CopyTo(directHere);
            }
            else
            {
                var frozen = _model.Selected.Where((_, i) => i != site && !edges.ContainsKey(i)).ToList();
                OnePass(site, ablated, first, nodes, edges, frozen, options.Logits && pairs.ReachesMetric(site), directHere, null);
                if (options.Logits)
                {
                    OnePass(site, ablated, first, nodes, new Dictionary<int, StrongestEdges>(), [], true, metricHere, moved);
                }
            }
            progress(first + nodes);
        }
        if (options.Logits) return (metric, direct);
        Array.Fill(metric, float.NaN);
        return (metric, metric);
    }

    // reads the sites that have edges to come, and puts each back where others are frozen too; then, where asked, the metric
    private void OnePass(int site, SiteFeatures ablated, int first, int nodes, IReadOnlyDictionary<int, StrongestEdges> edges,
        IReadOnlyList<Site> frozen, bool toLogits, Span<float> metric, List<NodeTokenChange>? moved)
    {
        if (edges.Count == 0 && !toLogits) return;
        List<int> stops = [site, .. edges.Keys.Order()];
        using var pass = clean.Intervene(nodes + 1, [.. stops.Select(s => _model.Selected[s])], frozen);
        foreach (var at in pass)
        {
            clock.Record("passes");
            if (at.Site == ablated.Site)
            {
                at.Add(Enumerable.Range(0, nodes).SelectMany(i => ablated.Changes(first + i, i + 1)));
                clock.Record("changes");
                continue;
            }
            var downstream = stops.First(s => _model.Selected[s] == at.Site);
            _reader.Read(at, _model.DictionaryAt(downstream)!, first, edges[downstream]);
            if (!pairs.IsChain(site)) at.Restore();
            clock.Record("dictionaries");
            if (downstream == stops[^1] && !toLogits) break;
        }
        if (toLogits)
        {
            var values = pass.Logits(position);
            clock.Record("passes");
            logits.Metrics(values, pass.Rows).CopyTo(metric);
            if (moved is not null)
            {
                foreach (var row in logits.Moved(values, pass.Rows, first)) moved.AddRange(row);
            }
            clock.Record("probabilities");
        }
        _operations += pass.Operations;
    }
}
