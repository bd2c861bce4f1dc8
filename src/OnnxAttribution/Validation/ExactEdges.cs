using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>The two ends of an edge, there or not: indices into a graph's nodes.</summary>
/// <param name="Down"><see cref="CausalEdge.Metric"/> for the metric.</param>
internal readonly record struct NodePair(int Up, int Down);

/// <summary>What really happens at one end of an edge when the other is moved.</summary>
/// <param name="Change">Of the downstream feature's activation; NaN where the downstream end is an error node or the metric.</param>
/// <param name="Effect">That change times g_d: its part of the metric's change.</param>
internal readonly record struct ExactEdge(float Change, float Effect);

/// <summary>
/// Edges by real interventions.
/// 1. The upstream node's move from its clean to its patch value is added to x_U at its position:
///    a row of the batch per node of U, so that one pass serves many.
/// 2. Every other selected site stays at its clean value for whoever reads it.
///    What x_D becomes along the paths that are left is read off as the pass stops there, then D too is put back.
/// 3. Downstream feature j: Δf = f_j(x_D') − f_j(x_D) by the real encoder, effect g_d · Δf.
///    Downstream error: Δε = (x_D' − x_D) − Σ_j Δf_j · row_j, effect g · Δε, over all features j. The metric: m with all of this, minus m.
/// Where transcoders stand for MLPs, x_D is what D's transcoder reads, all features and errors are held, and skips go on (the local
/// replacement model); a node is added to every output that it writes.
/// </summary>
/// <remarks>Row 0 of each batch is left as it is and stands for the clean run:
/// what rounding does to a run of the batch is the same in all its rows, and goes with the difference.</remarks>
internal sealed class ExactEdges(PatchingState state, ActivationCache clean, IReadOnlyList<CausalNode> nodes)
{
    private readonly LoadedModel _model = state.Model;
    private readonly int _positions = state.Tokens.Length;

    /// <summary>An edge of a pass: the row in which its upstream node is moved, its downstream node, and its index in the answer.</summary>
    private readonly record struct Wanted(int Row, int Down, int Index);

    // active features, and which of their rows is which row and position of the pass
    private sealed record ActiveAt(SparseRows Found, Dictionary<(int Row, int Position), int> Index)
    {
        public float Of(int row, CausalNode node) => Found.At(Index[(row, node.Position)], node.Feature);

        public SparseRows At(IEnumerable<(int Row, int Position)> rows) => Found.Select(rows.Select(r => Index[r]));
    }

    /// <summary>Follows edges.</summary>
    /// <param name="pairs">In any order; a pair without a direct path has the change 0.</param>
    /// <param name="done">Told of the number of edges done so far.</param>
    /// <returns>In the order of <paramref name="pairs"/>.</returns>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public ExactEdge[] Measure(IReadOnlyList<NodePair> pairs, Action<int>? done = null)
    {
        var result = new ExactEdge[pairs.Count];
        var perPass = clean.RowsPerPass() - 1;
        var finished = 0;
        foreach (var site in Enumerable.Range(0, pairs.Count).GroupBy(i => SiteOf(pairs[i].Up)).OrderBy(g => g.Key.FirstNode))
        {
            foreach (var batch in site.GroupBy(i => pairs[i].Up).OrderBy(g => g.Key).Chunk(perPass))
            {
                _model.Context.Cancel.ThrowIfCancellationRequested();
                int[] moved = [.. batch.Select(g => g.Key)];
                Wanted[] wanted = [.. batch.SelectMany((g, r) => g.Select(i => new Wanted(r + 1, pairs[i].Down, i)))];
                Pass(site.Key, moved, wanted, result);
                done?.Invoke(finished += wanted.Length);
            }
        }
        return result;
    }

    private SiteEffects SiteOf(int node) => state.SiteAt(nodes[node].Site);

    private void Pass(SiteEffects up, int[] moved, Wanted[] wanted, ExactEdge[] result)
    {
        var downstream = wanted.Where(w => w.Down != CausalEdge.Metric).ToLookup(w => SiteOf(w.Down));
        var (read, written) = (downstream.ToLookup(d => d.Key.ReadSite), up.Written.ToDictionary(s => s.Site));
        // computed, so that they can be read
        HashSet<Site> open = [up.Site, .. downstream.Where(d => !d.Key.IsReplaced).Select(d => d.Key.Site)];
        var mlps = _model.IsReplaced ? new ReplacedOutputs(state, holdsFeatures: true) : null;
        using var pass = clean.Intervene(moved.Length + 1, [.. open, .. read.Select(r => r.Key), .. written.Keys, .. mlps?.Stops ?? []],
            [.. _model.Selected.Where(s => !open.Contains(s)), .. mlps?.Outputs ?? []]);
        foreach (var at in pass)
        {
            foreach (var wantedHere in read[at.Site].Where(d => !d.Key.IsReplaced))
            {
                Read(wantedHere.Key, at.Current, wantedHere, result);
                at.Restore();
            }
            if (written.TryGetValue(at.Site, out var site))
            {
                at.Add(moved.Select((node, i) => (Row: i + 1, Node: nodes[node]))
                    .Where(m => site == up || !m.Node.IsError)
                    .Select(m => (m.Row, m.Node.Position, Change(up, m.Node, site))));
            }
            // after that: the site may be one that is moved or held itself
            foreach (var wantedHere in read[at.Site].Where(d => d.Key.IsReplaced)) Read(wantedHere.Key, at.Current, wantedHere, result);
            mlps?.Follow(at);
        }
        var metric = state.Metric;
        Wanted[] intoMetric = [.. wanted.Where(w => w.Down == CausalEdge.Metric)];
        if (intoMetric.Length == 0) return;
        var metrics = metric.Evaluate(pass.Logits(metric.Position), pass.Rows, clean.Logits(metric.Position), _model.Context.Threads);
        foreach (var w in intoMetric) result[w.Index] = new ExactEdge(float.NaN, (float)(metrics[w.Row] - metrics[0]));
    }

    private static ReadOnlyMemory<float> Change(SiteEffects up, CausalNode node, SiteEffects site)
    {
        var change = new float[site.Width];
        up.NodeChange(node.Position, node.Feature, site, change);
        return change;
    }

    // x: [rows, T, d], or [T, d] where no path leads here
    private void Read(SiteEffects site, ReadOnlySpan<float> x, IEnumerable<Wanted> wanted, ExactEdge[] result)
    {
        if (x.Length == _positions * site.ReadWidth)
        {
            foreach (var w in wanted) result[w.Index] = new ExactEdge(nodes[w.Down].IsError ? float.NaN : 0, 0);
            return;
        }
        // each (row, position) once, and with it what row 0 holds there
        var rows = wanted.Select(w => (w.Row, nodes[w.Down].Position)).Distinct().ToArray();
        (int Row, int Position)[] all = [.. rows, .. rows.Select(p => p.Position).Distinct().Select(p => (0, p))];
        var found = site.Dictionary is null ? new SparseRows() : _model.Encoder.Active(site.Dictionary, Gather(x, all, site.ReadWidth));
        var active = new ActiveAt(found, all.Select((p, i) => (p, i)).ToDictionary(p => p.p, p => p.i));
        ReadFeatures([.. wanted.Where(w => !nodes[w.Down].IsError)], active, result);
        ReadErrors(site, x, [.. wanted.Where(w => nodes[w.Down].IsError)], active, result);
    }

    private void ReadFeatures(Wanted[] wanted, ActiveAt active, ExactEdge[] result)
    {
        foreach (var w in wanted)
        {
            var node = nodes[w.Down];
            var change = active.Of(w.Row, node) - active.Of(0, node);
            result[w.Index] = new ExactEdge(change, change == 0 ? 0 : node.Derivative * change);
        }
    }

    private void ReadErrors(SiteEffects site, ReadOnlySpan<float> x, Wanted[] wanted, ActiveAt active, ExactEdge[] result)
    {
        if (wanted.Length == 0) return;
        (int Row, int Position)[] moved = [.. wanted.Select(w => (w.Row, nodes[w.Down].Position))];
        var changes = ErrorChanges(site, x, moved, active);
        for (var i = 0; i < wanted.Length; i++)
        {
            var effect = TensorPrimitives.Dot(site.GradientFor(nodes[wanted[i].Down]), changes.AsSpan(i * site.Width, site.Width));
            result[wanted[i].Index] = new ExactEdge(float.NaN, effect);
        }
    }

    // [moved, d]: Δε against row 0
    private float[] ErrorChanges(SiteEffects site, ReadOnlySpan<float> x, (int Row, int Position)[] moved, ActiveAt active)
    {
        (int Row, int Position)[] still = [.. moved.Select(m => (0, m.Position))];
        float[] before = Gather(x, still, site.Width), after = Gather(x, moved, site.Width);
        SparseEncoding Encode(float[] values, (int, int)[] rows) =>
            site.Dictionary is null ? SparseEncoding.WithoutDictionary(values, rows.Length)
                : SparseEncoding.From(site.Dictionary, values, active.At(rows), _model.Context.Threads);
        return SiteEffects.ErrorChangeOf(site.Dictionary, before, Encode(before, still), after, Encode(after, moved));
    }

    // [rows, d]
    private float[] Gather(ReadOnlySpan<float> x, (int Row, int Position)[] rows, int d)
    {
        var values = new float[rows.Length * d];
        for (var i = 0; i < rows.Length; i++)
        {
            x.Slice(((rows[i].Row * _positions) + rows[i].Position) * d, d).CopyTo(values.AsSpan(i * d));
        }
        return values;
    }
}
