using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Direct edges between kept nodes, one batched run per downstream site.
/// 1. A cotangent per downstream node: φ' s_j W_enc[:, j] for a feature (through the dictionary's normalisation);
///    for an error node g minus the cotangents of all active features weighted with their own gradients.
/// 2. A tangent per upstream node: its decoder row, or Δε for an error node.
/// 3. <see cref="SegmentJacobian"/> contracts both: jacobian[d, u].
///    effect = g_d · jacobian · Δ_u, where what is already in a vector is not multiplied again.
/// </summary>
/// <remarks>Marks et al. 2024, App. A.1; design.md, section 1.</remarks>
internal sealed class EdgeFinder(LoadedModel model, IReadOnlyList<SiteEffects> sites, IReadOnlyList<CausalNode> nodes, int[] tokens,
    Estimator estimator)
{
    private readonly int _positions = tokens.Length;
    private readonly Dictionary<Value, SiteEffects> _sites = sites.ToDictionary(s => s.Value);
    private readonly Dictionary<SiteEffects, Upstream> _upstream = [];

    /// <summary>Floating-point operations of the runs so far, and of the products with decoder rows.</summary>
    public long Operations { get; private set; }

    /// <summary>Seconds spent on the downstream nodes' cotangents:
    /// reading encoder columns of all active features from the dictionaries.</summary>
    public double CotangentSeconds { get; private set; }

    /// <summary>A site's kept nodes as upstream ends: tangents [U + 1, d],
    /// the last row zero, in the order of nodes (positions ascending).</summary>
    private sealed record Upstream(int Width, int[] Nodes, int[] Positions, float[] Tangents, int[] FirstAt, long[] Groups,
        long[] Slots, int SlotCount);

    /// <param name="found">Given each edge as it is found, a downstream site at a time.</param>
    public void Find(Action<CausalEdge> found)
    {
        for (var i = 0; i < sites.Count; i++)
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            if (GradientGraphs.Of(model).Segment(i, estimator) is { } segment) Into(sites[i], segment.Segment, segment.Runner, found);
        }
    }

    private void Into(SiteEffects down, SegmentJacobian segment, GraphRunner? runner, Action<CausalEdge> found)
    {
        var start = Stopwatch.GetTimestamp();
        var (rows, cotangents) = Cotangents(down);
        CotangentSeconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (rows.Length == 0) return;
        var parents = segment.Parents.Select(p => (Link: p, Up: UpstreamOf(_sites[p.Value])))
            .Where(p => p.Up.Nodes.Length > 0)
            .ToList();
        if (parents.Count == 0) return;
        var d = down.Width;
        var perRun = runner is null ? rows.Length : RowsPerRun(segment, parents.MaxBy(p => p.Up.Nodes.Length).Up);
        for (var first = 0; first < rows.Length; first += perRun)
        {
            var count = Math.Min(perRun, rows.Length - first);
            var chunk = cotangents.AsMemory(first * d, count * d);
            using var result = runner is null
                ? null
                : Run(segment, runner, rows.AsSpan(first, count), chunk, parents.ToDictionary(p => p.Link, p => p.Up));
            foreach (var (link, up) in parents)
            {
                var jacobian = new float[count * up.Nodes.Length];
                if (link.IsIdentity)
                {
                    AddSamePosition(jacobian, chunk.Span, rows.AsSpan(first, count), up, d);
                }
                else if (link.RowsOutput is { } output)
                {
                    AddSamePosition(jacobian, result!.Floats(output), rows.AsSpan(first, count), up, up.Width);
                }
                if (link.ContractedOutput is { } contracted) AddContracted(jacobian, result!.Floats(contracted), count, up);
                Write(jacobian, rows.AsSpan(first, count), up, found);
            }
        }
    }

    private RunResult Run(SegmentJacobian segment, GraphRunner runner, ReadOnlySpan<int> rows, Memory<float> cotangents,
        IReadOnlyDictionary<SegmentJacobian.Parent, Upstream> parents)
    {
        var positions = new long[rows.Length];
        for (var i = 0; i < rows.Length; i++) positions[i] = nodes[rows[i]].Position;
        using var feed = new Feed()
            .Add(SegmentJacobian.RowPositions, positions, rows.Length)
            .Add(SegmentJacobian.RowCotangents, cotangents, rows.Length, cotangents.Length / rows.Length)
            .AddTokens(tokens);
        foreach (var s in sites.Where(s => runner.Inputs.Contains(s.Value.Name))) feed.Add(s.Value.Name, s.Clean, 1, _positions, s.Width);
        foreach (var link in segment.Parents)
        {
            if (link.ContractedOutput is null) continue;
            var up = parents.GetValueOrDefault(link) ?? Nothing(_sites[link.Value].Width);
            feed.Add(link.Tangents, up.Tangents, up.Nodes.Length + 1, up.Width)
                .Add(link.TangentPositions, [.. up.Positions.Select(p => (long)p), 0L], up.Nodes.Length + 1)
                .Add(link.Groups, up.Groups, up.Groups.Length).Add(link.Slots, up.Slots, up.Groups.Length, up.SlotCount);
        }
        var largest = parents.Values.DefaultIfEmpty(Nothing(0)).MaxBy(u => u.Nodes.Length)!;
        Operations += FlopCount.Of(segment.Graph, Sizes(rows.Length, largest));
        return runner.Run(feed.Values, runner.Outputs);
    }

    private Dictionary<string, long> Sizes(long rows, Upstream up) =>
        new()
        {
            ["position"] = _positions,
            ["batch"] = 1,
            ["rows"] = rows,
            ["tangents"] = up.Nodes.Length + 1,
            ["groups"] = up.Groups.Length,
            ["slots"] = up.SlotCount
        };

    private int RowsPerRun(SegmentJacobian segment, Upstream up)
    {
        var perRow = FlopCount.BytesPer(segment.Graph, "rows", Sizes(1, up));
        var budget = model.Context.MemoryBudget;
        if (perRow > budget) throw new MemoryBudgetException("an edge run", budget, perRow);
        // no tensor of a run may pass 2 GiB
        var widest = Math.Max((long)up.Groups.Length * up.SlotCount, perRow / sizeof(float));
        return (int)Math.Clamp(Math.Min(int.MaxValue / sizeof(float) / widest, budget / perRow), 1, int.MaxValue);
    }

    // edges between nodes of the same position: products of cotangents with tangents
    private void AddSamePosition(float[] jacobian, ReadOnlySpan<float> cotangents, ReadOnlySpan<int> rows, Upstream up, int d)
    {
        for (var n = 0; n < rows.Length; n++)
        {
            var position = nodes[rows[n]].Position;
            var c = cotangents.Slice(n * d, d);
            for (var u = up.FirstAt[position]; u < up.FirstAt[position + 1]; u++)
            {
                jacobian[(n * up.Nodes.Length) + u] += TensorPrimitives.Dot(c, up.Tangents.AsSpan(u * d, d));
            }
        }
    }

    // [G, N, S] → [N, U]
    private static void AddContracted(float[] jacobian, ReadOnlySpan<float> contracted, int count, Upstream up)
    {
        for (var s = 0; s < up.Slots.Length; s++)
        {
            var u = (int)up.Slots[s];
            if (u == up.Nodes.Length) continue;
            var (group, slot) = (s / up.SlotCount, s % up.SlotCount);
            for (var n = 0; n < count; n++)
            {
                jacobian[(n * up.Nodes.Length) + u] += contracted[(((group * count) + n) * up.SlotCount) + slot];
            }
        }
    }

    private void Write(float[] jacobian, ReadOnlySpan<int> rows, Upstream up, Action<CausalEdge> found)
    {
        for (var n = 0; n < rows.Length; n++)
        {
            var down = nodes[rows[n]];
            for (var u = 0; u < up.Nodes.Length; u++)
            {
                var value = jacobian[(n * up.Nodes.Length) + u];
                if (value == 0) continue;
                var from = nodes[up.Nodes[u]];
                var effect = value * (down.IsError ? 1 : down.Derivative) * (from.IsError ? 1 : from.PatchActivation - from.Activation);
                if (effect != 0) found(new CausalEdge(up.Nodes[u], rows[n], down.IsError || from.IsError ? float.NaN : value, effect));
            }
        }
    }

    private Upstream UpstreamOf(SiteEffects site)
    {
        if (_upstream.TryGetValue(site, out var made)) return made;
        var kept = Enumerable.Range(site.FirstNode, site.Nodes.Count).Where(i => nodes[i].Kept).ToArray();
        var d = site.Width;
        var tangents = new float[(kept.Length + 1) * d];
        var firstAt = new int[_positions + 1];
        for (var u = 0; u < kept.Length; u++)
        {
            var node = nodes[kept[u]];
            var row = tangents.AsSpan(u * d, d);
            if (node.IsError) site.ErrorChangeAt(node.Position).CopyTo(row);
            else site.DecoderRow(node.Position, node.Feature, row);
            firstAt[node.Position + 1]++;
        }
        for (var t = 0; t < _positions; t++) firstAt[t + 1] += firstAt[t];
        var (groups, slots, width) = Grouped(firstAt);
        return _upstream[site] = new Upstream(d, kept, [.. kept.Select(i => nodes[i].Position)], tangents, firstAt, groups, slots, width);
    }

    // groups of at most so many tangents of one position that the padded product is smallest; a product narrower than 16 saves nothing
    private static (long[] Groups, long[] Slots, int Width) Grouped(int[] firstAt)
    {
        var counts = Enumerable.Range(0, firstAt.Length - 1).Select(t => firstAt[t + 1] - firstAt[t]).ToArray();
        var most = Math.Max(1, counts.Max());
        var width = Enumerable.Range(1, (most + 15) / 16)
            .Select(k => Math.Min(16 * k, most))
            .MinBy(w => counts.Sum(c => (c + w - 1) / w) * w);
        var groups = new List<long>();
        var slots = new List<long>();
        for (var t = 0; t < counts.Length; t++)
        {
            for (var u = firstAt[t]; u < firstAt[t + 1]; u += width)
            {
                groups.Add(t);
                for (var s = 0; s < width; s++) slots.Add(u + s < firstAt[t + 1] ? u + s : firstAt[^1]);
            }
        }
        if (groups.Count == 0) return ([0], [0], 1);
        return ([.. groups], [.. slots], width);
    }

    private Upstream Nothing(int d) => new(d, [], [], new float[d], new int[_positions + 1], [0], [0], 1);

    /// <summary>Kept nodes of a site that something can flow into, with their cotangents on x, [N, d].</summary>
    private (int[] Rows, float[] Cotangents) Cotangents(SiteEffects site)
    {
        var rows = Enumerable.Range(site.FirstNode, site.Nodes.Count)
            .Where(i => nodes[i].Kept && (nodes[i].IsError || nodes[i].Activation > 0)).ToArray();   // active in the patch run only: φ' = 0
        var d = site.Width;
        var cotangents = new float[rows.Length * d];
        var columns = site.EncoderColumns ?? Columns(site, rows);
        Parallel.For(0, rows.Length, new ParallelOptions { MaxDegreeOfParallelism = model.Context.Threads }, n =>
        {
            var node = nodes[rows[n]];
            var row = cotangents.AsSpan(n * d, d);
            if (!node.IsError)
            {
                columns![node.Feature].CopyTo(row);
            }
            else
            {
                // Σ over active features of (g · decoder row) W_enc[:, j]; then g − that, through the normalisation
                var g = site.GradientFor(node);
                foreach (var f in site.CleanEncoding.Features[node.Position])
                {
                    var weight = TensorPrimitives.Dot(g, site.CleanEncoding.Decoder[f]) * site.CleanEncoding.Scales[node.Position];
                    TensorPrimitives.MultiplyAdd(columns![f], weight, row, row);
                }
            }
            site.Dictionary?.Normalization.PullBack(site.CleanAt(node.Position), row);
            if (node.IsError) TensorPrimitives.Subtract(site.GradientFor(node), row, row);
        });
        return (rows, cotangents);
    }

    private FeatureVectors? Columns(SiteEffects site, int[] rows)
    {
        if (site.Dictionary is null) return null;
        var needed = rows.Any(i => nodes[i].IsError) ? site.CleanEncoding.Features.SelectMany(f => f) : rows.Select(i => nodes[i].Feature);
        var columns = site.Dictionary.EncoderColumns([.. needed.Distinct().Order()], model.Context.Threads);
        site.Dictionary.ReleaseEncoder();
        return columns;
    }
}
