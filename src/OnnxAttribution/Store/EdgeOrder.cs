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
/// Needs 2 × 16 bytes per edge at its peak and 16 afterwards. DuckDB's own ORDER BY would carry the wide rows through its sort.
/// </remarks>
internal static class EdgeOrder
{
    private const int BlockLength = 1 << 16;   // 1 MiB of edges

    /// <returns>All edges in order, in an array of their own.</returns>
    /// <exception cref="ArgumentException">An edge names a node that is not in the list, or two nodes are the same.</exception>
    public static CausalEdge[] Sort(
        IReadOnlyList<NodeRow> nodes, int metricPosition, IEnumerable<ReadOnlyMemory<CausalEdge>> edges, CancellationToken cancel)
    {
        var rank = Ranks(nodes, metricPosition);   // [nodes + 1], the metric last
        var starts = new long[rank.Length + 1];
        var blocks = Gather(edges, rank, starts, cancel);
        for (var r = 0; r < rank.Length; r++) starts[r + 1] += starts[r];
        var sorted = Scatter(blocks, rank, (long[])starts.Clone(), starts[^1], cancel);
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

    /// <summary>Dense ranks of the nodes and, in the last entry, of the metric.</summary>
    private static int[] Ranks(IReadOnlyList<NodeRow> nodes, int metricPosition)
    {
        var sites = nodes.Select(node => node.Site).Append(RunNames.MetricSite).Distinct().ToArray();
        Array.Sort(sites, (a, b) => Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(Encoding.UTF8.GetBytes(b)));
        var siteRank = sites.Select((site, r) => (site, r)).ToDictionary(pair => pair.site, pair => pair.r);
        var keys = new (int Site, int Position, int Feature)[nodes.Count + 1];
        for (var n = 0; n < nodes.Count; n++) keys[n] = (siteRank[nodes[n].Site], nodes[n].Position, nodes[n].Feature);
        keys[^1] = (siteRank[RunNames.MetricSite], metricPosition, NodeRow.Error);
        var order = Enumerable.Range(0, keys.Length).ToArray();
        Array.Sort((Array)keys.Clone(), order);
        var rank = new int[keys.Length];
        for (var r = 0; r < order.Length; r++)
        {
            rank[order[r]] = r;
            if (r > 0 && keys[order[r]] == keys[order[r - 1]])
            {
                throw new ArgumentException(
                    $"The node {Describe(nodes, order[r])} is in the list twice, so its edges could not be told apart.");
            }
        }
        return rank;
    }

    private static string Describe(IReadOnlyList<NodeRow> nodes, int n) =>
        n < nodes.Count ? $"({nodes[n].Site}, position {nodes[n].Position}, feature {nodes[n].Feature})" : "metric";

    /// <summary>Copies the edges, which the producer may overwrite once we ask for more,
    /// and counts them in <paramref name="counts"/>[rank + 1].</summary>
    private static Queue<ArraySegment<CausalEdge>> Gather(
        IEnumerable<ReadOnlyMemory<CausalEdge>> edges, int[] rank, long[] counts, CancellationToken cancel)
    {
        var blocks = new Queue<ArraySegment<CausalEdge>>();
        var block = new CausalEdge[BlockLength];
        var used = 0;
        foreach (var memory in edges)
        {
            foreach (ref readonly var edge in memory.Span)
            {
                if ((uint)edge.Up >= (uint)(rank.Length - 1) || edge.Down < CausalEdge.Metric || edge.Down >= rank.Length - 1)
                {
                    throw new ArgumentException($"The edge {edge.Up} → {edge.Down} names a node beyond the {rank.Length - 1} in the list.");
                }
                counts[Rank(rank, edge) + 1]++;
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
        Queue<ArraySegment<CausalEdge>> blocks, int[] rank, long[] next, long total, CancellationToken cancel)
    {
        if (total > Array.MaxLength)
        {
            throw new ArgumentException($"{total:N0} edges are more than one file takes ({Array.MaxLength:N0}). Raise the edge threshold.");
        }
        var sorted = new CausalEdge[total];
        while (blocks.TryDequeue(out var block))
        {
            cancel.ThrowIfCancellationRequested();
            foreach (ref readonly var edge in block.AsSpan()) sorted[next[Rank(rank, edge)]++] = edge;
        }
        return sorted;
    }

    private static int Rank(int[] rank, in CausalEdge edge) => rank[edge.Down == CausalEdge.Metric ? rank.Length - 1 : edge.Down];

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
