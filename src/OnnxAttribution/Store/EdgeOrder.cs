using System.Runtime.CompilerServices;
using System.Text;
using OnnxAttribution.Files;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Store;

/// <summary>Brings edges into the file's order: by (down_site, down_position,
/// down_feature), then by falling |effect|, then by upstream index.</summary>
/// <remarks>
/// 1. Rank the nodes, and the metric among them, by (site as UTF-8, position, feature).
/// 2. Copy the edges as they come, counting them by the rank of their downstream end.
/// 3. Scatter them into one array, one bucket per rank: a counting sort, linear in edges.
/// 4. Sort each bucket by |effect|, buckets in parallel.
/// Needs 2 × 24 bytes per edge at its peak and 24 afterwards. Where there is no room for that, what step 2 copies lies in a file, is
/// parted into files of neighbouring ranks, and steps 3 and 4 are done for one of these after the other.
/// DuckDB's own ORDER BY would carry the wide rows through its sort.
/// </remarks>
internal static class EdgeOrder
{
    private const int BlockLength = 1 << 16;
    private const int MostParts = 256;   // each is an open file

    /// <param name="ends">Of the nodes that the edges name.</param>
    /// <param name="edges">Between nodes and into the metric.</param>
    /// <param name="switchedOn">What stands among them of features that switched on.</param>
    /// <param name="room">Where they are sorted.</param>
    /// <param name="cancel">Stops the sorting.</param>
    /// <returns>All edges in order, array by array, each made when it is asked for; what switched on ends at
    /// <see cref="EdgeKeys.SwitchedOnAt"/>.</returns>
    /// <exception cref="ArgumentException">An edge names a node that is not in the list, or two nodes are the same.</exception>
    public static IEnumerable<CausalEdge[]> Sort(EdgeKeys ends, IEnumerable<ReadOnlyMemory<CausalEdge>> edges,
        IReadOnlyList<SwitchedOnRow> switchedOn, SpillRoom room, CancellationToken cancel)
    {
        var rank = Ranks(ends);
        var starts = new long[rank.Length + 1];
        var gathered = new RecordSpill<CausalEdge>(room);
        Gather(ends, edges, (gathered, rank, starts), cancel);
        foreach (var s in switchedOn)
        {
            var edge = new CausalEdge(s.Up, ends.SwitchedOnAt(s.DownSite), float.NaN, s.Effect);
            starts[rank[edge.Down] + 1]++;
            gathered.Add(edge);
        }
        for (var r = 0; r < rank.Length; r++) starts[r + 1] += starts[r];
        var parts = Parts(starts, room, gathered.IsSpilled);
        if (parts is [var whole]) return Sorted([(whole, gathered)], ends, rank, starts, cancel);
        var spills = parts.Select(part => (Part: part, Edges: new RecordSpill<CausalEdge>(room with { Bytes = 0 }))).ToList();
        var partOf = new int[rank.Length];
        for (var p = 0; p < parts.Count; p++) partOf.AsSpan(parts[p].First, parts[p].End - parts[p].First).Fill(p);
        for (var i = 0; i < gathered.Count; i++)
        {
            if (i % BlockLength == 0) cancel.ThrowIfCancellationRequested();
            var edge = gathered[i];
            spills[partOf[Rank(ends, rank, edge)]].Edges.Add(edge);
        }
        gathered.Dispose();
        return Sorted(spills, ends, rank, starts, cancel);
    }

    // neighbouring ranks, as many as there is room for
    private static List<(int First, int End)> Parts(long[] starts, SpillRoom room, bool isSpilled)
    {
        if (!isSpilled) return [(0, starts.Length - 1)];
        var most = Math.Max(room.Bytes / Unsafe.SizeOf<CausalEdge>(), starts[^1] / MostParts);
        var parts = new List<(int First, int End)>();
        for (int first = 0, end; first < starts.Length - 1; first = end)
        {
            for (end = first + 1; end < starts.Length - 1 && starts[end + 1] - starts[first] <= most;) end++;
            parts.Add((first, end));
        }
        return parts;
    }

    private static IEnumerable<CausalEdge[]> Sorted(IReadOnlyList<((int First, int End) Part, RecordSpill<CausalEdge> Edges)> parts,
        EdgeKeys ends, int[] rank, long[] starts, CancellationToken cancel)
    {
        foreach (var (part, edges) in parts)
        {
            var sorted = Scatter(edges, ends, rank, (starts, starts[part.First]), cancel);
            edges.Dispose();
            var options = new ParallelOptions { CancellationToken = cancel };
            Parallel.For(part.First, part.End, options, () => Array.Empty<ulong>(), (r, _, keys) =>
            {
                var bucket = sorted.AsSpan((int)(starts[r] - starts[part.First]), (int)(starts[r + 1] - starts[r]));
                if (keys.Length < bucket.Length) keys = new ulong[bucket.Length];
                SortBucket(bucket, keys.AsSpan(0, bucket.Length));
                return keys;
            }, _ => { });
            yield return sorted;
        }
    }

    /// <summary>Dense ranks of all ends, in the order that edges into them have.</summary>
    /// <exception cref="ArgumentException">Two nodes are the same.</exception>
    public static int[] Ranks(EdgeKeys ends)
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

    /// <summary>Copies the edges, which the producer may overwrite once we ask for more, and counts them at rank + 1.</summary>
    private static void Gather(EdgeKeys ends, IEnumerable<ReadOnlyMemory<CausalEdge>> edges,
        (RecordSpill<CausalEdge> Edges, int[] Rank, long[] Counts) into, CancellationToken cancel)
    {
        foreach (var memory in edges)
        {
            foreach (ref readonly var edge in memory.Span)
            {
                if ((uint)edge.Up >= (uint)ends.Metric || edge.Down < CausalEdge.Metric || edge.Down >= ends.Metric)
                {
                    throw new ArgumentException($"The edge {edge.Up} → {edge.Down} names a node beyond the {ends.Metric} in the list.");
                }
                into.Counts[Rank(ends, into.Rank, edge) + 1]++;
                into.Edges.Add(edge);
                if (into.Edges.Count % BlockLength == 0) cancel.ThrowIfCancellationRequested();
            }
            cancel.ThrowIfCancellationRequested();
        }
    }

    // one part's
    private static CausalEdge[] Scatter(RecordSpill<CausalEdge> edges, EdgeKeys ends, int[] rank, (long[] Starts, long First) at,
        CancellationToken cancel)
    {
        var (sorted, next) = (new CausalEdge[edges.Count], (long[])at.Starts.Clone());
        for (var i = 0; i < sorted.Length; i++)
        {
            if (i % BlockLength == 0) cancel.ThrowIfCancellationRequested();
            var edge = edges[i];
            sorted[next[Rank(ends, rank, edge)]++ - at.First] = edge;
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
