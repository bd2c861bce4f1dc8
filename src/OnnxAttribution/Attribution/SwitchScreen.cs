using System.Numerics;
using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Which features a change of a site can have switched on, without a product with all of W_enc.
/// 1. A pre-activation moves by Δ · w_j, at most ‖Δ‖ ‖w_j‖. So feature j of threshold θ stays off while ‖Δ‖ is below
///    (θ_j − pre_j) / ‖w_j‖: the distance of x to where it switches on.
/// 2. Of TopK the least of the k largest falls by at most ‖Δ‖ times the longest of their columns, W. So none of the k falls out
///    to j while ‖Δ‖ is below (least − pre_j) / (‖w_j‖ + W).
/// 3. Distances are found once per position, from one product; a change is then compared with them.
/// </summary>
/// <remarks>No feature that switches on is missed: the bound is Cauchy and Schwarz', lessened by what float32 may have rounded.</remarks>
internal sealed class SwitchScreen
{
    // of the lengths that a pre-activation is made of; products of GPT-2-small's width round by less
    private const float Rounding = 2e-5f;

    private readonly SiteEffects _site;
    private readonly float[][] _distances;

    /// <param name="read">The positions that are asked for.</param>
    public SwitchScreen(LoadedModel model, SiteEffects site, IReadOnlyList<bool> read)
    {
        _site = site;
        var dictionary = site.Dictionary!;
        int[] positions = [.. Enumerable.Range(0, read.Count).Where(t => read[t])];
        _distances = new float[read.Count][];
        if (positions.Length == 0) return;
        var (d, n) = (site.Width, dictionary.FeatureCount);
        var inputs = new float[positions.Length * d];
        for (var i = 0; i < positions.Length; i++) dictionary.CentredInput(site.CleanAt(positions[i]), inputs.AsSpan(i * d, d));
        var lengths = dictionary.ColumnLengths(model.Context.Threads);
        var known = site.PreActivations;
        var pre = known ?? PreActivations(model, dictionary, inputs);
        Parallel.For(0, positions.Length, new ParallelOptions { MaxDegreeOfParallelism = model.Context.Threads }, i =>
            _distances[positions[i]] = Distances(positions[i], pre.AsSpan((known is null ? i : positions[i]) * n, n), lengths,
                TensorPrimitives.Norm<float>(inputs.AsSpan(i * d, d))));
    }

    /// <summary>Whether the distances of so many positions are worth their memory.</summary>
    public static bool Fits(LoadedModel model, SiteEffects site, IReadOnlyList<bool> read) =>
        8L * sizeof(float) * read.Count(r => r) * site.Dictionary!.FeatureCount <= model.Context.MemoryBudget;

    /// <summary>Features that are no nodes and can be on after a change of that length.</summary>
    /// <param name="found">Filled, features ascending.</param>
    /// <returns>How many; −1 where they do not fit into <paramref name="found"/>.</returns>
    public int Find(int position, float length, Span<int> found)
    {
        ReadOnlySpan<float> distances = _distances[position];
        var (count, width, least) = (0, Vector<float>.Count, new Vector<float>(length));
        for (var i = 0; i < distances.Length; i += width)
        {
            var left = distances.Length - i;
            if (left >= width && !Vector.LessThanAny(new Vector<float>(distances.Slice(i, width)), least)) continue;
            for (var k = i; k < i + Math.Min(width, left); k++)
            {
                if (distances[k] >= length) continue;
                if (count == found.Length) return -1;
                found[count++] = k;
            }
        }
        return count;
    }

    private float[] Distances(int position, ReadOnlySpan<float> pre, float[] lengths, float input)
    {
        var dictionary = _site.Dictionary!;
        var (bar, further) = dictionary.K is { } k ? Last(position, k, lengths) : (0f, 0f);
        var distances = new float[pre.Length];
        if (dictionary.K is null && dictionary.Threshold is { } thresholds) thresholds.CopyTo(distances);
        else Array.Fill(distances, bar);
        var bias = dictionary.EncoderBias.Span;
        for (var j = 0; j < pre.Length; j++)
        {
            var least = distances[j];
            var rounding = Rounding * ((input * lengths[j]) + Math.Abs(bias[j]) + Math.Abs(least));
            distances[j] = Math.Max(0, least - pre[j] - rounding) / (lengths[j] + further + float.Epsilon);
        }
        // what is a node is read anyway
        foreach (var feature in _site.CleanEncoding.Features[position]) distances[feature] = float.PositiveInfinity;
        foreach (var feature in _site.PatchEncoding?.Features[position] ?? []) distances[feature] = float.PositiveInfinity;
        return distances;
    }

    private static float[] PreActivations(LoadedModel model, SparseDictionary dictionary, float[] inputs)
    {
        using var result = model.Encoder.PreActivations(dictionary, inputs);
        return result.Copy(EncoderGraph.Values);
    }

    // the least of the k largest activations, and the longest of their columns; where fewer are active, any above 0 is one
    private (float Least, float Length) Last(int position, int k, float[] lengths)
    {
        var features = _site.CleanEncoding.Features[position];
        return features.Length < k ? (0, 0) : (_site.CleanEncoding.Activations[position].Min(), features.Max(f => lengths[f]));
    }
}
