using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>A site's kept nodes as upstream ends, in the order of nodes (positions ascending).</summary>
/// <param name="Nodes">Their indices.</param>
/// <param name="Tangents">[U + 1, d]: decoder row or Δε of each, the last row zero.</param>
/// <param name="FirstAt">[T + 1]: the first node of each position.</param>
/// <param name="Groups">[G]: the position of each group of tangents.</param>
/// <param name="Slots">[G, <paramref name="SlotCount"/>]: the tangents of each group; U where a slot is empty.</param>
internal sealed record UpstreamNodes(int Width, int[] Nodes, int[] Positions, float[] Tangents, int[] FirstAt, long[] Groups,
    long[] Slots, int SlotCount)
{
    /// <summary>No node, for a parent whose edges nobody asks for.</summary>
    public static UpstreamNodes None(int width, int positions) =>
        new(width, [], [], new float[width], new int[positions + 1], [0], [0], 1);

    /// <summary>Nodes of which only is known how many stand at each position: for <see cref="Sizes"/>.</summary>
    /// <param name="at">[T].</param>
    public static UpstreamNodes Counted(int[] at)
    {
        var firstAt = new int[at.Length + 1];
        for (var t = 0; t < at.Length; t++) firstAt[t + 1] = firstAt[t] + at[t];
        var (groups, slots, width) = NodeVectors.Grouped(firstAt);
        return new(0, new int[firstAt[^1]], [], [], firstAt, groups, slots, width);
    }

    /// <summary>Gives a segment's graph the tangents of one parent.</summary>
    public void AddTo(Feed feed, SegmentJacobian.Parent link) => feed
        .Add(link.Tangents, Tangents, Nodes.Length + 1, Width)
        .Add(link.TangentPositions, [.. Positions.Select(p => (long)p), 0L], Nodes.Length + 1)
        .Add(link.Groups, Groups, Groups.Length)
        .Add(link.Slots, Slots, Groups.Length, SlotCount);

    /// <summary>[U]: which entry of <see cref="Slots"/> each node is.</summary>
    public int[] SlotOf()
    {
        var at = new int[Nodes.Length];
        for (var s = 0; s < Slots.Length; s++)
        {
            if (Slots[s] < at.Length) at[Slots[s]] = s;
        }
        return at;
    }

    /// <summary>Sizes of the symbolic axes of a segment's graph.</summary>
    /// <param name="distinct">How many positions the rows stand at.</param>
    public Dictionary<string, long> Sizes(int positions, long rows, long distinct) => new()
    {
        ["position"] = positions,
        ["batch"] = 1,
        ["rows"] = rows,
        ["distinct"] = distinct,
        ["tangents"] = Nodes.Length + 1,
        ["groups"] = Groups.Length,
        ["slots"] = SlotCount,
    };
}

/// <summary>What edges are contracted from: the tangents of kept nodes as upstream ends, their cotangents as downstream ends.</summary>
internal sealed class NodeVectors(LoadedModel model, IReadOnlyList<CausalNode> nodes, int positions)
{
    private readonly Dictionary<SiteEffects, UpstreamNodes> _upstream = [];

    /// <summary>g_d · value · Δ_u, where what is already in an error node's vector is not multiplied again.</summary>
    /// <param name="value">What the cotangent of <paramref name="down"/> and the tangent of <paramref name="from"/> contract to.</param>
    public static float Effect(float value, CausalNode from, CausalNode down) =>
        Effect(value * (down.IsError ? 1 : down.Derivative), from);

    /// <summary>The same into the metric: value · Δ_u.</summary>
    public static float Effect(float value, CausalNode from) => value * (from.IsError ? 1 : from.PatchActivation - from.Activation);

    /// <summary>value · the clean value of <paramref name="from"/> (<see cref="CausalEdge.Weight"/>).</summary>
    /// <param name="hasPatch">Errors and tokens move to the patch run's: their vectors are changes.</param>
    public static float Weight(float value, CausalNode from, bool hasPatch) =>
        !from.IsError ? value * from.Activation : hasPatch ? float.NaN : -value;

    /// <summary>All kept nodes that write a site as upstream ends: its own, and features of cross-layer transcoders before it.</summary>
    public UpstreamNodes Upstream(SiteEffects site)
    {
        if (_upstream.TryGetValue(site, out var made)) return made;
        var kept = Enumerable.Range(site.FirstNode, site.Nodes.Count).Where(i => nodes[i].Kept).ToArray();
        if (site.Writers.Count > 0)
        {
            var further = site.Writers.SelectMany(w => Enumerable.Range(w.FirstNode, w.Nodes.Count))
                .Where(i => nodes[i] is { Kept: true, IsError: false });
            kept = [.. further.Concat(kept).OrderBy(i => nodes[i].Position).ThenBy(i => i)];
        }
        return _upstream[site] = Upstream(site, kept);
    }

    /// <summary>Chosen nodes of a site as upstream ends.</summary>
    /// <param name="kept">Their indices, by position.</param>
    public UpstreamNodes Upstream(SiteEffects site, int[] kept)
    {
        var d = site.Width;
        var tangents = new float[(kept.Length + 1) * d];
        var firstAt = new int[positions + 1];
        for (var u = 0; u < kept.Length; u++)
        {
            var node = nodes[kept[u]];
            var row = tangents.AsSpan(u * d, d);
            var writer = node.Site == site.Site ? site : site.Writers.First(w => w.Site == node.Site);
            writer.Tangent(node.Position, node.Feature, site, row);
            firstAt[node.Position + 1]++;
        }
        for (var t = 0; t < positions; t++) firstAt[t + 1] += firstAt[t];
        var (groups, slots, width) = Grouped(firstAt);
        return new UpstreamNodes(d, kept, [.. kept.Select(i => nodes[i].Position)], tangents, firstAt, groups, slots, width);
    }

    // groups of at most so many tangents of one position that the padded product is smallest; a product narrower than 16 saves nothing
    internal static (long[] Groups, long[] Slots, int Width) Grouped(int[] firstAt)
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

    /// <summary>Kept nodes of a site that something can flow into, with their cotangents on x, [N, d].</summary>
    public (int[] Rows, float[] Cotangents) Cotangents(SiteEffects site)
    {
        var rows = Enumerable.Range(site.FirstNode, site.Nodes.Count)
            // active in the patch run only: φ' = 0
            .Where(i => nodes[i].Kept && (nodes[i].IsError ? !site.IsReplaced : nodes[i].Activation != 0))
            .ToArray();
        return (rows, Cotangents(site, rows));
    }

    /// <summary>Cotangents of chosen nodes of a site on x, [N, d].</summary>
    /// <param name="rows">Their indices.</param>
    public float[] Cotangents(SiteEffects site, int[] rows)
    {
        var d = site.ReadWidth;
        var cotangents = new float[rows.Length * d];
        var columns = site.KnownColumns ?? Columns(site, rows);
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
            site.Dictionary?.Normalization.PullBack(site.ReadAt(node.Position), row);
            if (node.IsError) TensorPrimitives.Subtract(site.GradientFor(node), row, row);
        });
        return cotangents;
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
