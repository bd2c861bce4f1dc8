using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Finds which features are active after changes of a site, but for those that are nodes.
/// 1. <see cref="SwitchScreen"/> names the few that a change can have switched on; only their columns are multiplied.
/// 2. Where it names many, since the change is large, the whole row is encoded: one product for all such rows.
/// </summary>
internal sealed class SwitchedFeatures
{
    // a product of few columns, each read out of W_enc, runs at a tenth of the speed of one of all
    private const int WholeShare = 32, LeastFew = 16;

    private readonly LoadedModel _model;
    private readonly SiteEffects _site;
    private readonly SwitchScreen? _screen;

    public SwitchedFeatures(LoadedModel model, SiteEffects site, IReadOnlyList<bool> read)
    {
        (_model, _site) = (model, site);
        if (!SwitchScreen.Fits(model, site, read)) return;
        _screen = new SwitchScreen(model, site, read);
        if (site.PreActivations is null) Operations = DictionaryEncoder.Operations(site.Dictionary!, read.Count(r => r));
    }

    /// <summary>Floating-point operations of all products with W_enc so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Changes whose whole rows were encoded.</summary>
    public int WholeRows { get; private set; }

    /// <param name="inputs">The changes of what the encoder reads, [moves, d].</param>
    /// <returns>Above their thresholds; of TopK above 0, and those that may be among the k largest.</returns>
    public FurtherFeatures Find(SiteMoves moves, float[] inputs)
    {
        var further = new FurtherFeatures(_site, moves.Ups.Count, _model.Context.Threads);
        var few = Screened(moves, inputs);
        Few(moves, inputs, few, further);
        Whole(moves, [.. Enumerable.Range(0, few.Length).Where(m => few[m] is null)], further);
        _site.Dictionary!.ReleaseEncoder();
        return further;
    }

    // by change; null: too many
    private int[]?[] Screened(SiteMoves moves, float[] inputs)
    {
        var few = new int[]?[moves.Ups.Count];
        if (_screen is null) return few;
        var n = _site.Dictionary!.FeatureCount;
        for (var most = Math.Max(LeastFew, n / WholeShare); ; most /= 2)
        {
            Parallel.For(0, few.Length, Threads, () => new int[most], (m, _, found) =>
            {
                var length = TensorPrimitives.Norm<float>(inputs.AsSpan(m * _site.Width, _site.Width));
                var count = _screen.Find(moves.Positions[m], length * 1.00001f, found);
                few[m] = count < 0 ? null : found[..count];
                return found;
            }, _ => { });
            // many columns read one by one are slower than all of them read in order
            if (most <= LeastFew || few.SelectMany(f => f ?? []).Distinct().Count() <= n / 4) return few;
        }
    }

    private ParallelOptions Threads => new() { MaxDegreeOfParallelism = _model.Context.Threads };

    private void Few(SiteMoves moves, float[] inputs, int[]?[] few, FurtherFeatures further)
    {
        var (dictionary, d) = (_site.Dictionary!, _site.Width);
        int[] features = [.. few.SelectMany(f => f ?? []).Distinct().Order()];
        if (features.Length == 0) return;
        var columns = dictionary.EncoderColumns(features, _model.Context.Threads);
        Operations += 2L * d * few.Sum(f => f?.Length ?? 0);
        Parallel.For(0, few.Length, Threads, m =>
        {
            if (few[m] is not { Length: > 0 } candidates) return;
            var input = new float[d];
            dictionary.CentredInput(_site.CleanAt(moves.Positions[m]), input);
            TensorPrimitives.Add(input, inputs.AsSpan(m * d, d), input);
            foreach (var j in candidates)
            {
                var value = TensorPrimitives.Dot(input, columns[j]) + dictionary.EncoderBias.Span[j];
                if (value > (dictionary.Threshold?[j] ?? 0)) further.At(m).Add((value, j));
            }
        });
    }

    private void Whole(SiteMoves moves, int[] rows, FurtherFeatures further)
    {
        if (rows.Length == 0) return;
        var (dictionary, d) = (_site.Dictionary!, _site.Width);
        var moved = new float[rows.Length * d];
        for (var i = 0; i < rows.Length; i++)
        {
            TensorPrimitives.Add(_site.CleanAt(moves.Positions[rows[i]]), moves.Changes.AsSpan(rows[i] * d, d), moved.AsSpan(i * d, d));
        }
        var active = _model.Encoder.Active(dictionary, moved);
        WholeRows += rows.Length;
        Operations += DictionaryEncoder.Operations(dictionary, rows.Length);
        for (var i = 0; i < rows.Length; i++)
        {
            var position = moves.Positions[rows[i]];
            var features = active.Features(i);
            for (var k = 0; k < features.Length; k++)
            {
                if (!IsNode(position, features[k])) further.At(rows[i]).Add((active.Activations(i)[k], features[k]));
            }
        }
    }

    private bool IsNode(int position, int feature) => Array.BinarySearch(_site.CleanEncoding.Features[position], feature) >= 0
        || (_site.PatchEncoding is { } patch && Array.BinarySearch(patch.Features[position], feature) >= 0);
}
