using System.Text;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Brings edges into the file's order: by (down_site, down_position,
/// down_feature), then by falling |effect|, then by upstream index.</summary>
/// <remarks>
/// 1. Rank the nodes, and the metric among them, by (site as UTF-8, position, feature).
/// 2. Copy the edges as they come, counting them by the rank of their downstream end.
/// 3. Scatter them into one array, one bucket per rank: a counting sort, linear in edges.
/// 4. Sort each bucket by |effect|, buckets in parallel.
/// Needs 2 × 20 bytes per edge at its peak and 20 afterwards. DuckDB's own ORDER BY would carry the wide rows through its sort.
/// </remarks>
internal static class EdgeOrder
{
    private const int BlockLength = 1 << 16;   // 1 MiB of edges

    /// <param name="ends">Of the nodes that the edges name.</param>
    /// <param name="edges">Between nodes and into the metric.</param>
    /// <param name="switchedOn">What stands among them of features that switched on.</param>
    /// <param name="cancel">Stops the sorting.</param>
    /// <returns>All edges in order, in an array of their own; what switched on ends at <see cref="EdgeKeys.SwitchedOnAt"/>.</returns>
    /// <exception cref="ArgumentException">An edge names a node that is not in the list, or two nodes are the same.</exception>
    public static CausalEdge[] Sort(EdgeKeys ends, IEnumerable<ReadOnlyMemory<CausalEdge>> edges,
        IReadOnlyList<SwitchedOnRow> switchedOn, CancellationToken cancel)
    {
        var rank = Ranks(ends);
        var starts = new long[rank.Length + 1];
        var blocks = Gather(ends, edges, rank, starts, cancel);
        CausalEdge[] further = [.. switchedOn.Select(s => new CausalEdge(s.Up, ends.SwitchedOnAt(s.DownSite), float.NaN, s.Effect))];
        foreach (var edge in further) starts[rank[edge.Down] + 1]++;
        blocks.Enqueue(further);
        for (var r = 0; r < rank.Length; r++) starts[r + 1] += starts[r];
        var sorted = Scatter(blocks, ends, rank, starts, cancel);
        var options = new ParallelOptions { CancellationToken = cancel };
        Parallel.For(0, rank.Length, options, () => Array.Empty<ulong>(), (r, _, keys) =>
        {
            var bucket = sorted.AsSpan(checked((int)starts[r]), checked((int)(starts[r + 1] - starts[r])));
            if (keys.Length < bucket.Length) keys = new ulong[bucket.Length];
            SortBucket(bucket, keys.AsSpan(0, bucket.Length));
            return keys;
        }, _ => { });
        return sorted;
    }

    /// <summary>Dense ranks of all ends.</summary>
    private static int[] Ranks(EdgeKeys ends)
    {
        var sites = (string[])ends.Sites.Clone();
        Array.Sort(sites, (a, b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b)));
        var siteRank = sites.Select((site, r) => (site, r)).ToDictionary(pair => pair.site, pair => pair.r);
        var keys = new (int Site, int Position, int Feature)[ends.Site.Length];
        for (var n = 0; n < keys.Length; n++) keys[n] = (siteRank[ends.Sites[ends.Site[n]]], ends.Position[n], ends.Feature[n]);
        var order = Enumerable.Range(0, keys.Length).ToArray();
        Array.Sort((Array)keys.Clone(), order);
        var rank = new int[keys.Length];
        for (var r = 0; r < order.Length; r++)
        {
            rank[order[r]] = r;
            if (r > 0 && keys[order[r]] == keys[order[r - 1]])
            {
                throw new ArgumentException(
                    $"The node {Describe(ends, order[r])} is in the list twice, so its edges could not be told apart.");
            }
        }
        return rank;
    }

    private static string Describe(EdgeKeys ends, int n) =>
        n == ends.Metric ? "metric" : $"({ends.Sites[ends.Site[n]]}, position {ends.Position[n]}, feature {ends.Feature[n]})";

    /// <summary>Copies the edges, which the producer may overwrite once we ask for more,
    /// and counts them in <paramref name="counts"/>[rank + 1].</summary>
    private static Queue<ArraySegment<CausalEdge>> Gather(EdgeKeys ends, IEnumerable<ReadOnlyMemory<CausalEdge>> edges, int[] rank,
        long[] counts, CancellationToken cancel)
    {
        var blocks = new Queue<ArraySegment<CausalEdge>>();
        var block = new CausalEdge[BlockLength];
        var used = 0;
        foreach (var memory in edges)
        {
            foreach (ref readonly var edge in memory.Span)
            {
                if ((uint)edge.Up >= (uint)ends.Metric || edge.Down < CausalEdge.Metric || edge.Down >= ends.Metric)
                {
                    throw new ArgumentException($"The edge {edge.Up} → {edge.Down} names a node beyond the {ends.Metric} in the list.");
                }
                counts[Rank(ends, rank, edge) + 1]++;
                block[used++] = edge;
                if (used < BlockLength) continue;
                cancel.ThrowIfCancellationRequested();
                blocks.Enqueue(block);
                (block, used) = (new CausalEdge[BlockLength], 0);
            }
            cancel.ThrowIfCancellationRequested();
        }
        blocks.Enqueue(new ArraySegment<CausalEdge>(block, 0, used));
        return blocks;
    }

    private static CausalEdge[] Scatter(
        Queue<ArraySegment<CausalEdge>> blocks, EdgeKeys ends, int[] rank, long[] starts, CancellationToken cancel)
    {
        var (total, next) = (starts[^1], (long[])starts.Clone());
        if (total > Array.MaxLength)
        {
            throw new ArgumentException($"{total:N0} edges are more than one file takes ({Array.MaxLength:N0}). Raise the edge threshold.");
        }
        var sorted = new CausalEdge[total];
        while (blocks.TryDequeue(out var block))
        {
            cancel.ThrowIfCancellationRequested();
            foreach (ref readonly var edge in block.AsSpan()) sorted[next[Rank(ends, rank, edge)]++] = edge;
        }
        return sorted;
    }

    private static int Rank(EdgeKeys ends, int[] rank, in CausalEdge edge) =>
        rank[edge.Down == CausalEdge.Metric ? ends.Metric : edge.Down];

    /// <summary>The bits of a non-negative float rise with its value,
    /// so one integer holds (falling |effect|, upstream index); NaN goes last.</summary>
    private static void SortBucket(Span<CausalEdge> bucket, Span<ulong> keys)
    {
        for (var i = 0; i < bucket.Length; i++)
        {
            var size = MathF.Abs(bucket[i].Effect);
            var falling = float.IsNaN(size) ? uint.MaxValue : int.MaxValue - BitConverter.SingleToUInt32Bits(size);
            keys[i] = (ulong)falling << 32 | (uint)bucket[i].Up;
        }
        keys.Sort(bucket);
    }
}
