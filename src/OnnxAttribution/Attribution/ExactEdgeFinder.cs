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
/// 2. Rows that are left unmoved run beside them, and changes are differences to these: rounding goes with the difference.
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

    /// <summary>An upstream site's kept nodes, and the rows of one run.</summary>
    private sealed record Batch(int Site, ExactGraphs.MovedSite Graph, int[] Moved)
    {
        /// <summary>Positions of the unmoved rows, which come after the moved ones.</summary>
        public required int[] Unmoved { get; init; }

        /// <summary>(row, position) that are read behind operators that mix positions; the unmoved row's come last.</summary>
        public required (int Row, int Position)[] Pairs { get; init; }
    }

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
        var probe = Enumerable.Range(0, moved.Length).MaxBy(r => nodes[moved[r]].Position);
        for (var r = 0; r <= moved.Length; r++)
        {
            // of one row all positions are read: what is before the moved one shows whether any reads what comes after it
            var from = r == moved.Length || r == probe || !causal ? 0 : nodes[moved[r]].Position;
            for (var t = from; t < _positions; t++)
            {
                if (read[t]) pairs.Add((r, t));
            }
        }
        return new Batch(index, graph, moved)
        {
            Unmoved = [.. moved.Select(n => nodes[n].Position).Distinct().Order()],
            Pairs = [.. pairs],
        };
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
        var site = state.Sites[batch.Site];
        using var result = batch.Graph.Runner is { } runner ? Run(batch, runner) : null;
        var children = batch.Graph.Segment.Children;
        var moves = new SiteMoves[children.Count];
        for (var c = 0; c < children.Count; c++)
        {
            if (children[c].InPairs)
            {
                if (PairMoves(batch, state.Sites[batch.Graph.Downstream[c]], result!.Floats(children[c].Output!), causal) is not { } read)
                {
                    return false;
                }
                moves[c] = read;
            }
            else
            {
                moves[c] = RowMoves(batch, batch.Graph.Downstream[c], children[c].Output is { } o ? result!.Floats(o) : default);
            }
        }
        for (var c = 0; c < children.Count; c++) Keep(batch.Graph.Downstream[c], moves[c], found);
        if (batch.Graph.Segment.EndOutput is { } end) IntoMetric(batch, result!.Copy(end), found);
        return true;
    }

    private RunResult Run(Batch batch, GraphRunner runner)
    {
        var site = state.Sites[batch.Site];
        int d = site.Width, moved = batch.Moved.Length, count = moved + batch.Unmoved.Length;
        var (positions, values) = (new long[count], new float[count * d]);
        for (var r = 0; r < count; r++)
        {
            var position = r < moved ? nodes[batch.Moved[r]].Position : batch.Unmoved[r - moved];
            positions[r] = position;
            var row = values.AsSpan(r * d, d);
            if (r < moved) Move(site, nodes[batch.Moved[r]], row);
            TensorPrimitives.Add(row, site.CleanAt(position), row);
        }
        using var feed = new Feed()
            .Add(MoveInputs.RowPosition, positions, count)
            .Add(MoveInputs.RowValue, values, count, d)
            .Add(MoveInputs.WholeRow, [.. Enumerable.Range(0, moved + 1).Select(r => (long)r)], moved + 1)
            .Add(MoveInputs.PairRow, [.. batch.Pairs.Select(p => (long)p.Row)], batch.Pairs.Length)
            .Add(MoveInputs.PairPosition, [.. batch.Pairs.Select(p => (long)p.Position)], batch.Pairs.Length)
            .Add(ExactGraphs.LogitsPosition, new long[] { state.Metric.Position }, 1)
            .AddTokens(state.Tokens);
        foreach (var s in state.Sites.Where(s => runner.Inputs.Contains(s.Value.Name)))
        {
            feed.Add(s.Value.Name, s.Clean, 1, _positions, s.Width);
        }
        Operations += FlopCount.Of(batch.Graph.Segment.Graph, Sizes(count, moved + 1, batch.Pairs.Length));
        return runner.Run(feed.Values, runner.Outputs);
    }

    private void Move(SiteEffects site, CausalNode node, Span<float> change)
    {
        site.NodeChange(node.Position, node.Feature, change);
        if (Share != 1) TensorPrimitives.Multiply(change, Share, change);
    }

    private Dictionary<string, long> Sizes(long rows, long whole, long pairs) =>
        new() { ["position"] = _positions, ["batch"] = 1, ["rows"] = rows, ["whole"] = whole, ["pairs"] = pairs };

    private int RowsPerRun(ExactSegment segment)
    {
        var sizes = Sizes(1, 1, 1);
        var perRow = FlopCount.BytesPer(segment.Graph, "rows", sizes) + FlopCount.BytesPer(segment.Graph, "whole", sizes)
            + (_positions * FlopCount.BytesPer(segment.Graph, "pairs", sizes));
        // every run has unmoved rows beside
        var budget = _model.Context.MemoryBudget;
        if (2 * perRow > budget) throw new MemoryBudgetException("a run of exact edges", budget, 2 * perRow);
        return BatchRows.Of(budget - perRow, perRow, perRow / sizeof(float), 1);
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
                var still = batch.Moved.Length + Array.BinarySearch(batch.Unmoved, node.Position);
                TensorPrimitives.Subtract(rows.Slice(read[m] * d, d), rows.Slice(still * d, d), change);
            }
        }
        return new SiteMoves([.. read.Select(r => batch.Moved[r])], [.. read.Select(r => nodes[batch.Moved[r]].Position)], changes);
    }

    // null: something changed before the moved position, which was not read of every row
    private SiteMoves? PairMoves(Batch batch, SiteEffects down, ReadOnlySpan<float> pairs, bool causal)
    {
        var (d, at) = (down.Width, ReadAt(state.Sites.ToList().IndexOf(down)));
        var still = new int[_positions];
        var moved = batch.Pairs.Length;
        while (moved > 0 && batch.Pairs[moved - 1].Row == batch.Moved.Length) still[batch.Pairs[--moved].Position] = moved;
        int[] read = [.. Enumerable.Range(0, moved).Where(p => at[batch.Pairs[p].Position])];
        var changes = new float[read.Length * d];
        for (var m = 0; m < read.Length; m++)
        {
            var (row, position) = batch.Pairs[read[m]];
            var change = changes.AsSpan(m * d, d);
            TensorPrimitives.Subtract(pairs.Slice(read[m] * d, d), pairs.Slice(still[position] * d, d), change);
            if (causal && position < nodes[batch.Moved[row]].Position && change.ContainsAnyExcept(0f)) return null;
        }
        return new SiteMoves([.. read.Select(p => batch.Moved[batch.Pairs[p].Row])], [.. read.Select(p => batch.Pairs[p].Position)],
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
            var effect = (float)(metrics[r] - metrics[batch.Moved.Length]);
            if (effect != 0) found.Edge(new CausalEdge(batch.Moved[r], CausalEdge.Metric, float.NaN, effect));
        }
    }
}
