using System.Numerics.Tensors;

namespace OnnxAttribution.Attribution;

/// <summary>Features that are active after a change of a site and are no nodes, by change.</summary>
internal sealed class FurtherFeatures(SiteEffects site, int moves, int threads)
{
    private readonly List<(float Value, int Feature)>[] _at = [.. Enumerable.Range(0, moves).Select(_ => new List<(float, int)>())];

    /// <summary>Those of a change, features ascending. Each change has one writer.</summary>
    public List<(float Value, int Feature)> At(int move) => _at[move];

    /// <summary>Leaves those that are among the k largest.</summary>
    /// <param name="bar">The last of these; equal activations rank by feature.</param>
    public void Drop(int move, (float Value, int Feature) bar) =>
        _at[move].RemoveAll(f => f.Value < bar.Value || (f.Value == bar.Value && f.Feature > bar.Feature));

    /// <summary>Adds Σ g_j f_j to sums, by change, for each of some gradients.</summary>
    public void AddGradients(SiteMoves moves, (Func<int, ReadOnlyMemory<float>> At, float[] Sums)[] gradients)
    {
        int[] features = [.. _at.SelectMany(f => f).Select(f => f.Feature).Distinct().Order()];
        if (features.Length == 0) return;
        var rows = site.Dictionary!.DecoderRows(features, threads);
        Parallel.For(0, _at.Length, new ParallelOptions { MaxDegreeOfParallelism = threads }, m =>
        {
            var position = moves.Positions[m];
            foreach (var (value, feature) in _at[m])
            {
                var by = site.CleanEncoding.Scales[position] * value;
                foreach (var (at, sums) in gradients) sums[m] += TensorPrimitives.Dot(at(position).Span, rows[feature]) * by;
            }
        });
    }
}
