using OnnxAttribution.Files;

namespace OnnxAttribution.Clusters;

/// <summary>
/// Agglomerative clusters: the two whose vectors are on average (or, complete linkage, at most) nearest by cosine distance 1 − x·y are
/// joined, again and again.
/// 1. All distances are computed, half a matrix. 2. A chain of nearest neighbours is followed until two are each other's nearest; they are
/// joined, with the mean of their distances weighted by size, or the larger of them. 3. Joins are sorted by distance.
/// </summary>
/// <remarks>Müllner 2011 (arXiv:1109.2378), the nearest-neighbour chain, which is exact for both linkages.</remarks>
internal sealed class Linkage
{
    /// <summary>As many vectors as half a matrix of distances is made for: 400 MB.</summary>
    public const int Most = 10_000;

    private readonly int _count;
    private readonly bool _isComplete;
    private readonly double[] _distances;   // [n (n − 1) / 2], of i < j

    private Linkage(int count, bool isComplete) =>
        (_count, _isComplete, _distances) = (count, isComplete, new double[(long)count * (count - 1) / 2]);

    /// <summary>All joins, the nearest first.</summary>
    /// <returns>n − 1 joins; a cluster is a vector's row or, from n on, the join that made it.</returns>
    /// <exception cref="ClusterException">There are more vectors than <see cref="Most"/>.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<ClusterJoin> Joins(UnitVectors rows, int threads, CancellationToken cancel)
    {
        if (rows.Count > Most)
        {
            throw new ClusterException($"average linkage compares every two prompts, and takes {Most:N0} at most, not {rows.Count:N0}; "
                + "take the method kmeans")
            {
                Settings = [Setting.Method]
            };
        }
        return Joined(rows, isComplete: false, threads, cancel);
    }

    /// <summary>The same by complete linkage: the distance of a join is the largest of its pairs.</summary>
    /// <param name="rows">At most <see cref="Most"/>.</param>
    /// <inheritdoc cref="Joins" path="/returns"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyList<ClusterJoin> CompleteJoins(UnitVectors rows, int threads, CancellationToken cancel) =>
        Joined(rows, isComplete: true, threads, cancel);

    private static List<ClusterJoin> Joined(UnitVectors rows, bool isComplete, int threads, CancellationToken cancel)
    {
        var linkage = new Linkage(rows.Count, isComplete);
        linkage.Measure(rows, threads, cancel);
        return linkage.Sorted(linkage.Chained(cancel));
    }

    /// <summary>The clusters that joins leave where so many of them are wanted.</summary>
    /// <param name="joins">All of them, the nearest first.</param>
    /// <param name="clusters">From 1 to n.</param>
    /// <returns>Each vector's cluster, from 0, in the order of their first vectors.</returns>
    public static int[] Cut(IReadOnlyList<ClusterJoin> joins, int clusters)
    {
        var count = joins.Count + 1;
        var parents = Enumerable.Range(0, count + joins.Count).ToArray();
        for (var join = 0; join < count - clusters; join++) parents[joins[join].One] = parents[joins[join].Other] = count + join;
        var (labels, numbers) = (new int[count], new Dictionary<int, int>());
        for (var row = 0; row < count; row++)
        {
            var at = row;
            while (parents[at] != at) at = parents[at] = parents[parents[at]];
            if (!numbers.TryGetValue(at, out labels[row])) numbers[at] = labels[row] = numbers.Count;
        }
        return labels;
    }

    private void Measure(UnitVectors rows, int threads, CancellationToken cancel)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancel };
        Parallel.For(0, _count, options, () => new float[rows.Width], (i, _, dense) =>
        {
            rows.Scatter(i, dense);
            for (var j = i + 1; j < _count; j++) _distances[At(i, j)] = 1 - rows.Dot(j, dense);
            foreach (var column in rows.Columns(i)) dense[column] = 0;
            return dense;
        }, _ => { });
    }

    // by the row that stands for each cluster
    private List<(int One, int Other, double Distance)> Chained(CancellationToken cancel)
    {
        var (sizes, chain, joins) = (new int[_count], new List<int>(), new List<(int, int, double)>());
        Array.Fill(sizes, 1);
        while (joins.Count < _count - 1)
        {
            cancel.ThrowIfCancellationRequested();
            if (chain.Count == 0) chain.Add(Array.FindIndex(sizes, s => s > 0));
            var last = chain[^1];
            var (nearest, distance) = Nearest(last, chain.Count > 1 ? chain[^2] : -1, sizes);
            if (chain.Count > 1 && nearest == chain[^2])
            {
                chain.RemoveRange(chain.Count - 2, 2);
                joins.Add((Math.Min(last, nearest), Math.Max(last, nearest), distance));
                Join(Math.Min(last, nearest), Math.Max(last, nearest), sizes);
            }
            else
            {
                chain.Add(nearest);
            }
        }
        return joins;
    }

    // of equally near ones the one before in the chain, or the chain would not end
    private (int Row, double Distance) Nearest(int row, int before, int[] sizes)
    {
        var (nearest, distance) = (before, before < 0 ? double.PositiveInfinity : _distances[At(row, before)]);
        for (var other = 0; other < _count; other++)
        {
            if (other == row || sizes[other] == 0) continue;
            if (_distances[At(row, other)] is var d && d < distance) (nearest, distance) = (other, d);
        }
        return (nearest, distance);
    }

    // the second stands for both from now on
    private void Join(int one, int other, int[] sizes)
    {
        double m = sizes[one], n = sizes[other];
        (sizes[one], sizes[other]) = (0, sizes[one] + sizes[other]);
        for (var k = 0; k < _count; k++)
        {
            if (sizes[k] == 0 || k == other) continue;
            var (far, near) = (_distances[At(k, one)], _distances[At(k, other)]);
            _distances[At(k, other)] = _isComplete ? Math.Max(far, near) : ((m * far) + (n * near)) / (m + n);
        }
    }

    private List<ClusterJoin> Sorted(List<(int One, int Other, double Distance)> joins)
    {
        var (roots, sizes) = (Enumerable.Range(0, (2 * _count) - 1).ToArray(), new int[(2 * _count) - 1]);
        Array.Fill(sizes, 1, 0, _count);
        int Root(int row)
        {
            while (roots[row] != row) row = roots[row] = roots[roots[row]];
            return row;
        }
        var sorted = new List<ClusterJoin>();
        foreach (var (one, other, distance) in joins.OrderBy(j => j.Distance))   // which keeps the order of equals
        {
            var (a, b, made) = (Root(one), Root(other), _count + sorted.Count);
            sizes[made] = sizes[a] + sizes[b];
            (roots[a], roots[b]) = (made, made);
            sorted.Add(new(Math.Min(a, b), Math.Max(a, b), distance, sizes[made]));
        }
        return sorted;
    }

    private long At(int i, int j) => i < j ? Before(i) + (j - i - 1) : Before(j) + (i - j - 1);

    private long Before(int i) => (i * (long)_count) - (i * (i + 1L) / 2);
}

/// <summary>Two clusters that become one.</summary>
/// <param name="One">A vector's row or, from n on, the join that made it.</param>
/// <param name="Other">The larger of the two numbers.</param>
/// <param name="Distance">The mean of 1 − x·y over their pairs, or the largest.</param>
/// <param name="Size">Vectors of both.</param>
internal readonly record struct ClusterJoin(int One, int Other, double Distance, int Size);
