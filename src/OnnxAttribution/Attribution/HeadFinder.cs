using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Splits edges that were found by head and way, one batched run per downstream site.
/// 1. The ends of a site's edges are cotangents and tangents, as for <see cref="EdgeFinder"/>; the metric is one end more.
/// 2. <see cref="SegmentHeads"/> contracts them head by head, and keeps apart what goes around attention.
/// 3. Each edge picks its parts.
/// </summary>
internal sealed class HeadFinder(PatchingState state, IReadOnlyList<CausalNode> nodes, Estimator estimator)
{
    private readonly NodeVectors _vectors = new(state.Model, nodes, state.Tokens.Length);

    /// <summary>Floating-point operations of the runs so far.</summary>
    public long Operations { get; private set; }

    // rows of one run: downstream nodes with their cotangents [N, d]; of the metric neither
    private sealed record Rows(int[] Nodes, Memory<float> Cotangents, int Width);

    /// <param name="found">Given each part that is not 0, a downstream site at a time.</param>
    /// <exception cref="MemoryBudgetException">The parts of one edge do not fit.</exception>
    public void Split(IReadOnlyList<CausalEdge> edges, Action<HeadPart> found)
    {
        var siteOf = new int[nodes.Count];
        for (var i = 0; i < state.Sites.Count; i++) siteOf.AsSpan(state.Sites[i].FirstNode, state.Sites[i].Nodes.Count).Fill(i);
        var graphs = GradientGraphs.Of(state.Model);
        foreach (var into in edges.GroupBy(e => e.Down == CausalEdge.Metric ? state.Sites.Count : siteOf[e.Down]).OrderBy(e => e.Key))
        {
            state.Model.Context.Cancel.ThrowIfCancellationRequested();
            if (into.Key == state.Sites.Count)
            {
                var (segment, runner) = graphs.MetricHeads(state.Metric.Kind, estimator);
                Chunks(segment, runner, new([CausalEdge.Metric], default, 0), [.. into], found);
            }
            else if (graphs.SegmentHeads(into.Key, estimator) is { } made)
            {
                int[] rows = [.. into.Select(e => e.Down).Distinct().Order()];
                var site = state.Sites[into.Key];
                Chunks(made.Segment, made.Runner, new(rows, _vectors.Cotangents(site, rows), site.Width), [.. into], found);
            }
        }
    }

    // as many downstream and upstream nodes at a time as the memory budget allows
    private void Chunks(SegmentHeads segment, GraphRunner? runner, Rows rows, List<CausalEdge> edges, Action<HeadPart> found)
    {
        var up = edges.Select(e => e.Up).Distinct().Order().ToArray();
        var (perRun, perSide) = runner is null ? (rows.Nodes.Length, up.Length) : Sizes(segment, up);
        for (var u = 0; u < up.Length; u += perSide)
        {
            var some = up.AsSpan(u, Math.Min(perSide, up.Length - u)).ToArray();
            var upstream = segment.Parents.Select(p => state.SiteAt(p.Value))
                .ToDictionary(s => s.Value, s => _vectors.Upstream(s,
                    [.. some.Where(i => i >= s.FirstNode && i < s.FirstNode + s.Nodes.Count)]));
            for (var first = 0; first < rows.Nodes.Length; first += perRun)
            {
                var count = Math.Min(perRun, rows.Nodes.Length - first);
                var chunk = new Rows(rows.Nodes[first..(first + count)],
                    rows.Cotangents.Slice(first * rows.Width, count * rows.Width), rows.Width);
                using var result = runner is null ? null : Run(segment, runner, chunk, upstream);
                new Reader(segment, result, chunk, nodes).Read(edges, upstream, found);
            }
        }
    }

    private (int Rows, int Tangents) Sizes(SegmentHeads segment, int[] up)
    {
        var budget = state.Model.Context.MemoryBudget;
        var sizes = new Dictionary<string, long>
        {
            ["position"] = state.Tokens.Length,
            ["batch"] = 1,
            ["rows"] = 1,
            ["tangents"] = 1,
            ["groups"] = 1,
            ["slots"] = 1,
        };
        var perTangent = Math.Max(1, FlopCount.BytesPer(segment.Graph, "tangents", sizes));
        if (perTangent > budget) throw new MemoryBudgetException("splitting an edge by heads", budget, perTangent);
        var perSide = (int)Math.Clamp(budget / 2 / perTangent, 1, up.Length);
        var groups = Math.Min(perSide, state.Tokens.Length + (perSide / 16));
        sizes["tangents"] = perSide;
        (sizes["groups"], sizes["slots"]) = (groups, Math.Min(perSide, 16));
        var perRow = Math.Max(1, FlopCount.BytesPer(segment.Graph, "rows", sizes));
        if (perRow > budget) throw new MemoryBudgetException("splitting an edge by heads", budget, perRow);
        return ((int)Math.Clamp(budget / perRow, 1, int.MaxValue), perSide);
    }

    private RunResult Run(SegmentHeads segment, GraphRunner runner, Rows rows, IReadOnlyDictionary<Value, UpstreamNodes> upstream)
    {
        using var feed = rows.Width == 0
            ? ModelPass.Inputs(state.Tokens, MetricRequest.Of(state.Metric))
            : new Feed().AddTokens(state.Tokens)
                .Add(SegmentJacobian.RowPositions, Array.ConvertAll(rows.Nodes, n => (long)nodes[n].Position), rows.Nodes.Length)
                .Add(SegmentJacobian.RowCotangents, rows.Cotangents, rows.Nodes.Length, rows.Width);
        foreach (var s in state.Sites.Where(s => runner.Inputs.Contains(s.Value.Name)))
        {
            feed.Add(s.Value.Name, s.Clean, 1, state.Tokens.Length, s.Width);
        }
        foreach (var link in segment.Parents.Where(link => runner.Inputs.Contains(link.Tangents))) upstream[link.Value].AddTo(feed, link);
        var largest = upstream.Values.MaxBy(u => u.Nodes.Length)!;
        Operations += FlopCount.Of(segment.Graph, largest.Sizes(state.Tokens.Length, rows.Nodes.Length, 0));
        return runner.Run(feed.Values, runner.Outputs);
    }

    /// <summary>Picks edges' parts out of a run's outputs.</summary>
    private sealed class Reader(SegmentHeads segment, RunResult? result, Rows rows, IReadOnlyList<CausalNode> nodes)
    {
        private readonly Dictionary<int, int> _rowOf = rows.Nodes.Select((node, n) => (node, n)).ToDictionary(p => p.node, p => p.n);

        public void Read(IReadOnlyList<CausalEdge> edges, IReadOnlyDictionary<Value, UpstreamNodes> upstream, Action<HeadPart> found)
        {
            foreach (var link in segment.Parents)
            {
                var up = upstream[link.Value];
                var place = up.Nodes.Select((node, u) => (node, u)).ToDictionary(p => p.node, p => p.u);
                var slots = up.SlotOf();
                var parts = segment.Parts.Where(p => p.Parent == link.Value).ToList();
                foreach (var edge in edges)
                {
                    if (!place.TryGetValue(edge.Up, out var u) || !_rowOf.TryGetValue(edge.Down, out var n)) continue;
                    Around(link, edge, up, (n, u), found);
                    foreach (var part in parts) Heads(part, edge, up, (n, part.IsWhole ? u : slots[u]), found);
                }
            }
        }

        // the product of what arrived at the upstream node's position with its tangent
        private void Around(SegmentJacobian.Parent link, CausalEdge edge, UpstreamNodes up, (int N, int U) at, Action<HeadPart> found)
        {
            var isMetric = edge.Down == CausalEdge.Metric;
            if (!link.IsIdentity && link.RowsOutput is null) return;
            if (!isMetric && nodes[edge.Down].Position != up.Positions[at.U]) return;
            var arrived = link.IsIdentity ? rows.Cotangents.Span : result!.Floats(link.RowsOutput!);
            var row = isMetric ? up.Positions[at.U] : at.N;
            var value = TensorPrimitives.Dot(arrived.Slice(row * up.Width, up.Width), up.Tangents.AsSpan(at.U * up.Width, up.Width));
            Give(edge, null, AttentionWay.Around, value, found);
        }

        // [groups, heads, rows, slots], or [heads, rows, tangents]
        private void Heads(HeadOutput part, CausalEdge edge, UpstreamNodes up, (int N, int Slot) at, Action<HeadPart> found)
        {
            var values = result!.Floats(part.Name);
            var (count, width) = (rows.Nodes.Length, part.IsWhole ? up.Nodes.Length + 1 : up.SlotCount);
            var heads = values.Length / count / width / (part.IsWhole ? 1 : up.Groups.Length);
            var (group, slot) = part.IsWhole ? (0, at.Slot) : (at.Slot / width, at.Slot % width);
            for (var h = 0; h < heads; h++)
            {
                var value = values[(((((group * heads) + h) * count) + at.N) * width) + slot];
                Give(edge, new HeadName(part.Layer, part.FirstHead + (h * part.Step)), part.Way, value, found);
            }
        }

        private void Give(CausalEdge edge, HeadName? head, AttentionWay way, float value, Action<HeadPart> found)
        {
            var from = nodes[edge.Up];
            var down = edge.Down == CausalEdge.Metric ? null : nodes[edge.Down];
            var effect = down is null ? NodeVectors.Effect(value, from) : NodeVectors.Effect(value, from, down);
            if (effect == 0) return;
            found(new HeadPart(edge.Up, edge.Down, head, way, from.IsError || down is { IsError: true } ? float.NaN : value, effect));
        }
    }
}
