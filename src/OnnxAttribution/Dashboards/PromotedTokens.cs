using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Dashboards;

/// <summary>Texts of the tokens whose logit a feature raises and lowers most, the strongest first.</summary>
internal sealed record TokenLists(IReadOnlyList<string> Promoted, IReadOnlyList<string> Suppressed);

/// <summary>The tokens that features raise and lower most, read off a bundle's weights alone: for features that no text was read for.
/// </summary>
/// <remarks>What <see cref="TokenEffects"/> finds but for the size, which is the text's: the final norm's scale multiplies all of a row's
/// logits alike, so that the order is the same at any vector. A cross-layer feature counts with the sum of what it writes.</remarks>
internal sealed class PromotedTokens
{
    private const long BytesAtOnce = 64 << 20;

    private readonly ModelBundle _bundle;
    private readonly MlpReplacement _replacement;
    private readonly RunContext _context;
    private readonly TokenEffects _effects;
    private readonly Tokenizer _tokenizer;

    private PromotedTokens(ModelBundle bundle, MlpReplacement replacement, RunContext context, TokenEffects effects) =>
        (_bundle, _replacement, _context, _effects, _tokenizer) =
            (bundle, replacement, context, effects, Tokenizer.Open(bundle.Directory));

    /// <summary>By site and feature; without those that do not write into the residual stream, and empty where the logits are not read
    /// off its end alone.</summary>
    /// <param name="features">Of the dictionaries at their sites, or of the transcoders that write them.</param>
    /// <param name="replacement">Whether at an MLP's output the transcoder's features are meant.</param>
    /// <exception cref="BundleException">The graph is damaged.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A dictionary is missing or damaged.</exception>
    /// <exception cref="TokenizerException">The tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static IReadOnlyDictionary<(string Site, int Feature), TokenLists> Of(ModelBundle bundle,
        IEnumerable<(Site Site, int Feature)> features, MlpReplacement replacement, RunContext context)
    {
        var result = new Dictionary<(string, int), TokenLists>();
        var bySite = features.Distinct().ToLookup(f => f.Site, f => f.Feature);
        if (bySite.Count == 0) return result;
        using var effects = TokenEffects.Create(bundle, context, AnyVector(bundle.Manifest.DModel));
        if (effects is null) return result;
        var tokens = new PromotedTokens(bundle, replacement, context, effects);
        foreach (var site in bySite)
        {
            foreach (var (feature, lists) in tokens.At(site.Key, [.. site.Order()])) result[(site.Key.Name, feature)] = lists;
        }
        return result;
    }

    private IEnumerable<(int Feature, TokenLists Tokens)> At(Site site, int[] features)
    {
        using var dictionary = Opened(site);
        // what lies before the MLP reaches the logits through it, and so by no fixed map
        if (dictionary is null || site.Kind is SiteKind.Normalized or SiteKind.MlpIn) yield break;
        using var written = site.Kind == SiteKind.Z ? WriteBack.Create(_bundle, site, _context) : null;
        if (written is null && dictionary.OutputWidth != _effects.Width) yield break;
        foreach (var some in features.Chunk(_effects.RowsAtOnce(BytesAtOnce)))
        {
            _context.Cancel.ThrowIfCancellationRequested();
            var rows = Rows(dictionary, some);
            var strongest = _effects.Strongest(written is null ? rows : written.Write(rows), _tokenizer.Count);
            for (var i = 0; i < some.Length; i++) yield return (some[i], Texts(strongest[i].Promoted, strongest[i].Suppressed));
        }
    }

    private SparseDictionary? Opened(Site site)
    {
        var record = _replacement == MlpReplacement.Mlp ? _bundle.TranscoderAt(site) : null;
        return (record ?? _bundle.DictionaryAt(site)) is { } found ? new SparseDictionary(_bundle.Open(found)) : null;
    }

    // [features, d]: of a cross-layer transcoder the sum of its rows for every layer
    private float[] Rows(SparseDictionary dictionary, int[] features)
    {
        var (rows, d) = (dictionary.DecoderRows(features, _context.Threads), dictionary.OutputWidth);
        var result = new float[features.Length * d];
        for (var i = 0; i < features.Length; i++)
        {
            var sum = result.AsSpan(i * d, d);
            for (var layer = 0; layer < dictionary.OutputLayers; layer++)
            {
                System.Numerics.Tensors.TensorPrimitives.Add(sum, rows[features[i]].Slice(layer * d, d), sum);
            }
        }
        return result;
    }

    private TokenLists Texts(List<(int Token, float)> promoted, List<(int Token, float)> suppressed) =>
        new([.. promoted.Select(t => _tokenizer.TokenText(t.Token))], [.. suppressed.Select(t => _tokenizer.TokenText(t.Token))]);

    // [1, d]: not constant, or a LayerNorm would divide by nothing
    private static float[] AnyVector(int width)
    {
        var random = new Random(0);
        return [.. Enumerable.Range(0, width).Select(_ => random.NextSingle() - 0.5f)];
    }
}
