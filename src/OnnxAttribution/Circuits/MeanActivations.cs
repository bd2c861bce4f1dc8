using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>Means of features and errors over all positions of a text but the BOS,
/// which sees only itself and is the same in every text.</summary>
/// <remarks>A feature that is not active counts 0. A text is read in pieces,
/// each of one document, within the context and with its BOS.</remarks>
internal sealed class MeanActivations
{
    private readonly Dictionary<Site, ReplacementAt> _means = [];

    private MeanActivations(int? bos) => Bos = bos;

    /// <summary>The token in front of each piece; null: none.</summary>
    public int? Bos { get; }

    /// <summary>Positions that the means are over.</summary>
    public int Positions { get; private set; }

    /// <summary>Runs the model over a text, piece by piece.</summary>
    /// <param name="pieces">Token ids, each within the context, with the BOS in front where there is one.</param>
    /// <param name="bos">null: pieces begin with their text.</param>
    /// <exception cref="AttributionException">The text has no token, or one that is no token id.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static MeanActivations Measure(LoadedModel model, IEnumerable<int[]> pieces, int? bos, IProgress<string>? progress = null)
    {
        var result = new MeanActivations(bos);
        var sums = new Dictionary<Site, (double[] Features, double[] Error)>();
        var first = bos is null ? 0 : 1;
        foreach (var piece in pieces)
        {
            if (piece.Length <= first) continue;
            progress?.Report($"means over the text, {result.Positions} tokens");
            using var run = ActivationCache.Of(model, piece);
            foreach (var site in model.Selected)
            {
                Add(sums, site, run.Encode(site), model.DictionaryOf(site)?.FeatureCount ?? 0, first);
            }
            result.Positions += piece.Length - first;
        }
        if (result.Positions == 0)
        {
            throw new AttributionException("the text to take means over has no tokens; name a file with text in it")
            {
                Settings = [Setting.MeanText]
            };
        }
        foreach (var (site, (features, error)) in sums) result._means[site] = Mean(features, error, result.Positions);
        return result;
    }

    internal ReplacementAt At(Site site) => _means[site];

    private static void Add(Dictionary<Site, (double[] Features, double[] Error)> sums, Site site, SparseEncoding encoding,
        int features, int first)
    {
        if (!sums.TryGetValue(site, out var sum)) sums[site] = sum = (new double[features], new double[encoding.Width]);
        for (var t = first; t < encoding.Positions; t++)
        {
            for (var i = 0; i < encoding.Features[t].Length; i++) sum.Features[encoding.Features[t][i]] += encoding.Activations[t][i];
            var error = encoding.Error(t);
            for (var i = 0; i < error.Length; i++) sum.Error[i] += error[i];
        }
    }

    private static ReplacementAt Mean(double[] features, double[] error, int positions)
    {
        int[] active = [.. Enumerable.Range(0, features.Length).Where(i => features[i] != 0)];
        return new ReplacementAt(active, [.. active.Select(i => (float)(features[i] / positions))],
            Array.ConvertAll(error, e => (float)(e / positions)));
    }
}
