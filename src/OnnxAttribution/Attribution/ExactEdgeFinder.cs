using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Exact direct edges between kept nodes: every kept node is really moved, a row each, one batched run per upstream site.
/// 1. The node's move from its clean to its patch value is added to x_U at its position. All other selected sites stay at their clean
///    values, so what the sites that read U directly become is what direct paths do (<see cref="ExactSegment"/>).
/// 2. An unmoved row runs beside them, and changes are differences to it: rounding goes with the difference.
/// 3. A site is read once for all that moves it (<see cref="ExactReader"/>): the change of every node; effect = g_d · change.
/// 4. Into the metric: its real change.
/// </summary>
/// <remarks>A downstream position is read where the metric's gradient is not 0: elsewhere every effect is.</remarks>
internal sealed class ExactEdgeFinder(PatchingState state, IReadOnlyList<CausalNode> nodes)
{
    private readonly LoadedModel _model = state.Model;
    private readonly int _positions = state.Tokens.Length;
    private readonly Dictionary<int, bool[]> _read = [];
    private readonly Dictionary<int, List<SiteMoves>> _unread = [];
    private long _unreadBytes;

    /// <summary>Floating-point operations of the runs so far, and of the encoders.</summary>
    public long Operations { get; private set; }

    /// <summary>How much of each node's move is made; all of it is what an edge is.</summary>
    public float Share { get; init; } = 1;

    /// <summary>An upstream site's kept nodes that run at once, behind an unmoved row.</summary>
    /// <param name="Pairs">(row, position) that are read behind operators that mix positions; the unmoved row's come first.</param>
    private sealed record Batch(int Site, ExactGraphs.MovedSite Graph, int[] Moved, (int Row, int Position)[] Pairs);

    /// <summary>Follows the edges from every kept node, an upstream site at a time.</summary>
    /// <exception cref="MemoryBudgetException">Not even one row fits the memory budget.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public void Find(FoundEdges found)
    {
        for (var i = 0; i < state.Sites.Count; i++)
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            // nothing later moves this site
            Read(i, found);
            if (ExactGraphs.Of(_model).At(i) is { } graph) From(i, graph, found);
        }
    }

    private void From(int index, ExactGraphs.MovedSite graph, FoundEdges found)
    {
        var site = state.Sites[index];
        var onlyLogits = graph.Downstream.Count == 0 && graph.LogitsKeepPositions;
        int[] moved = [.. Enumerable.Range(site.FirstNode, site.Nodes.Count)
            .Where(n => nodes[n].Kept && (!onlyLogits || nodes[n].Position == state.Metric.Position))];
        if (moved.Length == 0) return;
        var perRun = graph.Runner is null ? moved.Length : RowsPerRun(graph.Segment);
        var causal = true;
        foreach (var chunk in moved.Chunk(perRun))
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            if (!Pass(BatchOf(index, graph, chunk, causal), found, causal))
            {
                causal = false;
                Pass(BatchOf(index, graph, chunk, causal), found, causal);
            }
        }
    }

    private Batch BatchOf(int index, ExactGraphs.MovedSite graph, int[] moved, bool causal)
    {
        var read = new bool[_positions];
        foreach (var child in graph.Segment.Children.Where(c => c.InPairs))
        {
            var at = ReadAt(graph.Downstream[Place(graph, child)]);
            for (var t = 0; t < _positions; t++) read[t] |= at[t];
        }
        var pairs = new List<(int, int)>();
        for (var r = 0; r <= moved.Length; r++)
        {
            for (var t = r == 0 || !causal ? 0 : nodes[moved[r - 1]].Position; t < _positions; t++)
            {
                if (read[t]) pairs.Add((r, t));
            }
        }
        return new Batch(index, graph, moved, [.. pairs]);
    }

    private static int Place(ExactGraphs.MovedSite graph, ExactSegment.Child child)
    {
        var i = 0;
        while (graph.Segment.Children[i] != child) i++;
        return i;
    }

    // false: positions read later ones, and the batch has to be run with all pairs
    private bool Pass(Batch batch, FoundEdges found, bool causal)
    {
        using var result = batch.Graph.Runner is { } runner ? Run(batch, runner) : null;
        if (causal && batch.Graph.Segment.LeaksOutput is { } leaks && result!.Floats(leaks)[0] > 0) return false;
        var children = batch.Graph.Segment.Children;
        var moves = new SiteMoves[children.Count];
        for (var c = 0; c < children.Count; c++)
        {
            var down = batch.Graph.Downstream[c];
            var rows = children[c].Output is { } o ? result!.Floats(o) : default;
            moves[c] = children[c].InPairs ? PairMoves(batch, down, rows) : RowMoves(batch, down, rows);
        }
        for (var c = 0; c < children.Count; c++) Keep(batch.Graph.Downstream[c], moves[c], found);
        if (batch.Graph.Segment.EndOutput is { } end) IntoMetric(batch, result!.Copy(end), found);
        return true;
    }

    private RunResult Run(Batch batch, GraphRunner runner)
    {
        var site = state.Sites[batch.Site];
        var (d, rows) = (site.Width, new PackedRows(0, _positions));
        var values = new float[(_positions + batch.Moved.Length) * d];
        site.Clean.CopyTo(values, 0);
        foreach (var n in batch.Moved)
        {
            var row = values.AsSpan(rows.Count * d, d);
            Move(site, nodes[n], row);
            TensorPrimitives.Add(row, site.CleanAt(nodes[n].Position), row);
            rows.Add(rows.Spans.Count, nodes[n].Position, 1);
        }
        var moves = new MoveFeed(rows, batch.Pairs);
        using var feed = moves.Of(state.Tokens).Add(ExactGraphs.LogitsPosition, new long[] { state.Metric.Position }, 1);
        moves.Add(feed, site.Value.Name, values, _positions);
        foreach (var s in state.Sites.Where(s => s != site && runner.Inputs.Contains(s.Value.Name)))
        {
            feed.Add(s.Value.Name, s.Clean, 1, _positions, s.Width);
        }
        Operations += FlopCount.Of(batch.Graph.Segment.Graph, moves.Sizes(_positions));
        return runner.Run(feed.Values, runner.Outputs);
    }

    private void Move(SiteEffects site, CausalNode node, Span<float> change)
    {
        site.NodeChange(node.Position, node.Feature, change);
        if (Share != 1) TensorPrimitives.Multiply(change, Share, change);
    }

    private int RowsPerRun(ExactSegment segment)
    {
        var sizes = new MoveFeed(new PackedRows(0, 1), [(0, 0)]).Sizes(_positions);
        long Bytes(string symbol) => FlopCount.BytesPer(segment.Graph, symbol, sizes);
        var (perRow, rest) = (Bytes("rows"), Bytes("whole") + (_positions * Bytes("pairs")));
        // every run has an unmoved row beside
        var (budget, still, moved) = (_model.Context.MemoryBudget, (_positions * perRow) + rest, perRow + rest);
        if (still + moved > budget) throw new MemoryBudgetException("a run of exact edges", budget, still + moved);
        return BatchRows.Of(budget - still, moved, moved / sizeof(float), 1);
    }

    // positions at which the metric's gradient is not 0; none where the site has no kept nodes
    private bool[] ReadAt(int index)
    {
        if (_read.TryGetValue(index, out var made)) return made;
        var site = state.Sites[index];
        var kept = Enumerable.Range(site.FirstNode, site.Nodes.Count).Any(n => nodes[n].Kept);
        return _read[index] = [.. Enumerable.Range(0, _positions).Select(t => kept && site.GradientAt(t).ContainsAnyExcept(0f))];
    }

    private SiteMoves RowMoves(Batch batch, int down, ReadOnlySpan<float> rows)
    {
        var (up, d, at) = (state.Sites[batch.Site], state.Sites[down].Width, ReadAt(down));
        int[] read = [.. Enumerable.Range(0, batch.Moved.Length).Where(r => at[nodes[batch.Moved[r]].Position])];
        var changes = new float[read.Length * d];
        for (var m = 0; m < read.Length; m++)
        {
            var node = nodes[batch.Moved[read[m]]];
            var change = changes.AsSpan(m * d, d);
            if (rows.IsEmpty)
            {
                Move(up, node, change);
            }
            else
            {
                TensorPrimitives.Subtract(rows.Slice((_positions + read[m]) * d, d), rows.Slice(node.Position * d, d), change);
            }
        }
        return new SiteMoves([.. read.Select(r => batch.Moved[r])], [.. read.Select(r => nodes[batch.Moved[r]].Position)], changes);
    }

    private SiteMoves PairMoves(Batch batch, int down, ReadOnlySpan<float> pairs)
    {
        var (d, at, still) = (state.Sites[down].Width, ReadAt(down), new int[_positions]);
        var first = 0;
        while (first < batch.Pairs.Length && batch.Pairs[first].Row == 0) still[batch.Pairs[first].Position] = first++;
        int[] read = [.. Enumerable.Range(first, batch.Pairs.Length - first).Where(p => at[batch.Pairs[p].Position])];
        var changes = new float[read.Length * d];
        for (var m = 0; m < read.Length; m++)
        {
            TensorPrimitives.Subtract(pairs.Slice(read[m] * d, d), pairs.Slice(still[batch.Pairs[read[m]].Position] * d, d),
                changes.AsSpan(m * d, d));
        }
        return new SiteMoves([.. read.Select(p => batch.Moved[batch.Pairs[p].Row - 1])], [.. read.Select(p => batch.Pairs[p].Position)],
            changes);
    }

    // a site is read when all that moves it is known, or before that where it takes too much memory
    private void Keep(int down, SiteMoves moves, FoundEdges found)
    {
        if (moves.Ups.Count == 0) return;
        if (!_unread.TryGetValue(down, out var all)) _unread[down] = all = [];
        all.Add(moves);
        _unreadBytes += sizeof(float) * (long)moves.Changes.Length;
        if (_unreadBytes <= _model.Context.MemoryBudget / 4) return;
        foreach (var site in _unread.Keys.ToArray()) Read(site, found);
    }

    private void Read(int down, FoundEdges found)
    {
        if (!_unread.Remove(down, out var all)) return;
        var site = state.Sites[down];
        var moves = SiteMoves.Of(all);
        _unreadBytes -= sizeof(float) * (long)moves.Changes.Length;
        var reader = new ExactReader(_model, site, nodes, ReadAt(down));
        var reading = reader.Read(moves);
        Operations += reader.Operations;
        var switched = new Dictionary<int, float>();
        for (var m = 0; m < moves.Ups.Count; m++)
        {
            var changes = reading.ChangesOf(m);
            var effects = reading.EffectsOf(m);
            for (var k = 0; k < effects.Length; k++)
            {
                var to = site.FirstNode + reading.FirstNodes[m] + k;
                if (effects[k] == 0 || !nodes[to].Kept) continue;
                found.Edge(new CausalEdge(moves.Ups[m], to, float.NaN, effects[k]) { Change = changes[k] });
            }
            switched[moves.Ups[m]] = switched.GetValueOrDefault(moves.Ups[m]) + reading.SwitchedOn[m];
        }
        foreach (var (up, effect) in switched)
        {
            if (effect != 0) found.SwitchedOn(new SwitchedOnEdge(up, site.Site, effect));
        }
    }

    private void IntoMetric(Batch batch, float[] logits, FoundEdges found)
    {
        var metrics = state.Metric.Evaluate(logits, batch.Moved.Length + 1, state.Clean.Logits, _model.Context.Threads);
        for (var r = 0; r < batch.Moved.Length; r++)
        {
            var effect = (float)(metrics[r + 1] - metrics[0]);
            if (effect != 0) found.Edge(new CausalEdge(batch.Moved[r], CausalEdge.Metric, float.NaN, effect));
        }
    }
}
