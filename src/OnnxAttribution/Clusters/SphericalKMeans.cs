namespace OnnxAttribution.Clusters;

/// <summary>
/// k-means of unit vectors by cosine: the assignment with the largest Σ x·c, each c the direction of its vectors' sum.
/// 1. k-means++ chooses vectors to begin with: each next one at random, by its distance 1 − x·c to the nearest chosen. 2. Every vector goes
/// to the nearest c. 3. Every c is made anew; one that no vector is left at takes the vector that lies farthest from its own. 4. Steps 2
/// and 3 again until no vector moves, or of very many only a few. 5. Vectors are moved one by one while that makes the
/// objective larger: a vector is so much of its own c that step 2 leaves it there though another cluster would gain more. 6. All of it
/// several times, and the best is taken.
/// </summary>
/// <remarks>Dhillon, Modha 2001, "Concept decompositions for large sparse text data using clustering"; Arthur, Vassilvitskii 2007; step 5:
/// Dhillon, Guan, Kogan 2002, "Iterative clustering of high dimensional text data augmented by local search". The result does not depend on
/// the number of threads: sums are added up in the vectors' order.</remarks>
internal sealed class SphericalKMeans(IComparedVectors rows, KMeansOptions options)
{
    private const int MostRounds = 100, MostRoundsFrom = 10;

    // of sums that restarts hold at once
    private const long MostBytes = 512L << 20;

    private const double LeastGain = 1e-4, Rounding = 1e-6;   // below them float32 sums say nothing

    /// <summary>The best of all restarts.</summary>
    /// <param name="clusters">From 1 to the number of vectors.</param>
    /// <returns>Each vector's cluster, from 0, and the objective Σ x·c.</returns>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public (int[] Labels, double Objective) Find(int clusters)
    {
        // a restart in each thread, so that none waits while vectors are moved one by one
        var threads = (int)Math.Clamp(MostBytes / Math.Max(1, rows.SumBytes(clusters)), 1, options.Threads);
        var found = new (int[] Labels, double Objective)[options.Restarts];
        var each = threads == 1 ? options : options with { Threads = 1 };
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = options.Cancel };
        Parallel.For(0, found.Length, parallel, restart =>
        {
            var one = new SphericalKMeans(rows, each);
            found[restart] = one.Once(one.Begin(clusters, new Random(unchecked((options.Seed * 7919) + restart))), clusters);
        });
        return found.MaxBy(f => f.Objective);   // of equal ones the first
    }

    /// <summary>Goes on from some vectors' clusters, for a few rounds. None is moved by itself in the end: of very many vectors each is
    /// next to nothing of its cluster's sum.</summary>
    /// <param name="some">Each vector's cluster, from 0, of all clusters some; below 0: none yet.</param>
    /// <param name="clusters">How many there are.</param>
    /// <inheritdoc cref="Find" path="/returns"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public (int[] Labels, double Objective) From(int[] some, int clusters)
    {
        var (labels, own) = (new int[rows.Count], new float[rows.Count]);
        var sums = rows.Sums(some, clusters, options.Threads);
        Assign(sums, sums.Lengths(), labels, own);
        Refill(labels, own, clusters);
        (labels, sums) = Settled(labels, clusters, MostRoundsFrom);
        return (labels, sums.Lengths().Sum());
    }

    private (int[] Labels, double Objective) Once(int[] begun, int clusters)
    {
        var (labels, sums) = Settled(begun, clusters, MostRounds);
        for (var round = 0; round < MostRounds && Improve(sums, labels) > Few; round++) options.Cancel.ThrowIfCancellationRequested();
        return (labels, sums.Lengths().Sum());
    }

    private (int[] Labels, IClusterSums Sums) Settled(int[] labels, int clusters, int rounds)
    {
        var (next, own) = (new int[rows.Count], new float[rows.Count]);
        var sums = rows.Sums(labels, clusters, options.Threads);
        for (var round = 0; round < rounds; round++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            Assign(sums, sums.Lengths(), next, own);
            Refill(next, own, clusters);
            var moved = Moved(labels, next);
            if (moved == 0) break;
            sums = sums.Relabelled(labels, next);
            (labels, next) = (next, labels);
            if (moved <= Few) break;
        }
        return (labels, sums);
    }

    private int Few => (int)(rows.Count * options.Unsettled);

    private static int Moved(int[] one, int[] other)
    {
        var moved = 0;
        for (var row = 0; row < one.Length; row++) moved += one[row] == other[row] ? 0 : 1;
        return moved;
    }

    // moving x from a to b changes |a| + |b| to |a − x| + |b + x|, and x·x is 1
    private int Improve(IClusterSums sums, int[] labels)
    {
        var (lengths, products, moved) = (sums.Lengths(), new float[sums.Counts.Length], 0);
        for (var row = 0; row < labels.Length; row++)
        {
            var from = labels[row];
            if (sums.Counts[from] == 1) continue;
            sums.Products(row, products);
            var left = Length((lengths[from] * lengths[from]) - (2 * products[from]) + 1);
            var (to, gain, joined) = (from, LeastGain + (Rounding * lengths[from]), 0.0);
            for (var c = 0; c < lengths.Length; c++)
            {
                if (c == from) continue;
                var with = Length((lengths[c] * lengths[c]) + (2 * products[c]) + 1);
                if (left - lengths[from] + with - lengths[c] is var more && more > gain) (to, gain, joined) = (c, more, with);
            }
            if (to == from) continue;
            sums.Move(row, from, to);
            (labels[row], lengths[from], lengths[to], moved) = (to, left, joined, moved + 1);
        }
        return moved;
    }

    private static double Length(double square) => Math.Sqrt(Math.Max(0, square));

    // every vector at the chosen one that is nearest
    private int[] Begin(int clusters, Random random)
    {
        var (labels, distances, cosines) = (new int[rows.Count], new double[rows.Count], new double[rows.Count]);
        Array.Fill(distances, double.PositiveInfinity);
        var chosen = random.Next(rows.Count);
        for (var cluster = 0; cluster < clusters; cluster++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            rows.Cosines(chosen, cosines, Threads);
            for (var row = 0; row < cosines.Length; row++)
            {
                var distance = Math.Max(0, 1 - cosines[row]);
                if (distance < distances[row]) (distances[row], labels[row]) = (distance, cluster);
            }
            (distances[chosen], labels[chosen]) = (0, cluster);
            chosen = Drawn(distances, random);
        }
        return labels;
    }

    private static int Drawn(double[] weights, Random random)
    {
        var left = random.NextDouble() * weights.Sum();
        var last = 0;
        for (var row = 0; row < weights.Length; row++)
        {
            if (weights[row] <= 0) continue;
            last = row;
            if ((left -= weights[row]) < 0) return row;
        }
        return last;   // all vectors are the chosen ones' equals, or rounding has left something
    }

    private void Assign(IClusterSums sums, double[] lengths, int[] labels, float[] own) =>
        Parallel.For(0, rows.Count, Threads, () => new float[lengths.Length], (row, _, products) =>
        {
            sums.Products(row, products);
            var best = -1;
            for (var c = 0; c < lengths.Length; c++)
            {
                if (!(lengths[c] > 0)) continue;
                products[c] /= (float)lengths[c];
                if (best < 0 || products[c] > products[best]) best = c;
            }
            best = Math.Max(best, 0);
            (labels[row], own[row]) = (best, products[best]);
            return products;
        }, _ => { });

    private void Refill(int[] labels, float[] own, int clusters)
    {
        var counts = new int[clusters];
        foreach (var label in labels) counts[label]++;
        for (var c = 0; c < clusters; c++)
        {
            if (counts[c] > 0) continue;
            var farthest = -1;
            for (var row = 0; row < labels.Length; row++)
            {
                if (counts[labels[row]] > 1 && (farthest < 0 || own[row] < own[farthest])) farthest = row;
            }
            if (farthest < 0) return;
            counts[labels[farthest]]--;
            (labels[farthest], own[farthest], counts[c]) = (c, 1, 1);
        }
    }

    private ParallelOptions Threads => new() { MaxDegreeOfParallelism = options.Threads, CancellationToken = options.Cancel };
}

/// <summary>How hard k-means tries.</summary>
/// <param name="Restarts">From 1.</param>
/// <param name="Seed">Of the first vectors.</param>
/// <param name="Threads">From 1.</param>
internal sealed record KMeansOptions(int Restarts, int Seed, int Threads, CancellationToken Cancel)
{
    /// <summary>The share of vectors that may still move when rounds end.</summary>
    public double Unsettled { get; init; }

    /// <summary>Bytes that products of every two vectors may take.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;
}
