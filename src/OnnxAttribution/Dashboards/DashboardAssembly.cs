using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Dashboards;

/// <summary>The texts of a vocabulary's tokens.</summary>
/// <param name="Of">A token's text by its id.</param>
/// <param name="Count">Ids below this have a text.</param>
internal sealed record TokenTexts(Func<int, string> Of, int Count);

/// <summary>What is computed of a dictionary's weights alone.</summary>
/// <param name="Effects">null: nothing is said of promoted tokens.</param>
internal sealed record WeightReadings(TokenEffects? Effects, NearestFeatures Nearest, int Threads);

/// <summary>Makes dashboards of what a text has left, a block of features at a time,
/// so that a wide dictionary's are never all in memory.</summary>
/// <param name="tokens">Tokens read, BOS positions not counted.</param>
internal sealed class DashboardAssembly(TokenTexts vocabulary, long tokens, FeatureOptions options, WeightReadings weights)
{
    private const long BytesAtOnce = 64 << 20;
    private const int MostAtOnce = 256;

    private readonly Dictionary<int, string> _texts = [];

    /// <summary>All features of a site, ascending.</summary>
    /// <param name="written">What the site's decoder rows write into the residual stream, where that is not themselves.</param>
    public IEnumerable<FeatureDashboard> Assemble(Site site, SparseDictionary dictionary, SiteStatistics statistics, WriteBack? written,
        CancellationToken cancel)
    {
        var (n, d) = (dictionary.FeatureCount, dictionary.Width);
        var decoder = Decoder(dictionary);
        var normalized = NearestFeatures.Normalized(decoder, d);
        var effects = weights.Effects;
        var heads = site.Kind == SiteKind.Z ? (written is null ? null : effects)
            : effects is not null && effects.Width == d ? effects
            : null;
        var block = (int)Math.Clamp(BytesAtOnce / (4L * n), 1, Math.Min(MostAtOnce, heads?.RowsAtOnce(BytesAtOnce) ?? MostAtOnce));
        for (var first = 0; first < n; first += block)
        {
            cancel.ThrowIfCancellationRequested();
            var count = Math.Min(block, n - first);
            var near = weights.Nearest.Find(normalized, d, first, count);
            var logits = heads?.Strongest(written is null
                ? decoder.AsMemory(first * d, count * d)
                : written.Write(decoder.AsMemory(first * d, count * d)), vocabulary.Count);
            for (var i = 0; i < count; i++)
            {
                var f = first + i;
                yield return new FeatureDashboard(site.Name, f, (double)statistics.Count(f) / tokens, (float)statistics.Mean(f),
                    statistics.Max(f), statistics.Histogram(f), Contexts(statistics, f), Logits(logits?[i].Promoted),
                    Logits(logits?[i].Suppressed), [.. near[i].Select(c => new NearFeature(c.Feature, MathF.Round(c.Cosine, 4)))]);
            }
        }
    }

    /// <summary>The strongest contexts, then of each stratum of the samples those that overlap no other and have no other's tokens,
    /// in the order of the text and so at random among the stratum.</summary>
    private FeatureContext[] Contexts(SiteStatistics statistics, int feature)
    {
        var chosen = statistics.Top(feature).ToList();
        var quantiles = chosen.ConvertAll(_ => 0);
        var samples = statistics.Samples(feature);
        for (var q = 0; q < options.Quantiles; q++)
        {
            var (from, to) = (q * samples.Count / options.Quantiles, (q + 1) * samples.Count / options.Quantiles);
            var stratum = new List<SiteStatistics.Kept>();
            foreach (var sample in samples.Skip(from).Take(to - from).OrderBy(s => s.Place))
            {
                if (stratum.Count == FeatureOptions.PerQuantile) break;
                if (!chosen.Concat(stratum).Any(c => c.Overlaps(sample, options.Window) || c.HasTokensOf(sample))) stratum.Add(sample);
            }
            chosen.AddRange(stratum.OrderByDescending(s => s.Activation).ThenBy(s => s.Place));
            while (quantiles.Count < chosen.Count) quantiles.Add(q + 1);
        }
        return [.. chosen.Select((c, i) =>
            new FeatureContext(quantiles[i], c.Peak, [.. c.Tokens.Select(Text)], Array.ConvertAll(c.Activations, a => Rounded(a, 3))))];
    }

    private TokenLogit[] Logits(List<(int Token, float Logit)>? entries) =>
        entries is null ? [] : [.. entries.Select(e => new TokenLogit(Text(e.Token), Rounded(e.Logit, 4)))];

    private string Text(int token) => _texts.TryGetValue(token, out var text) ? text : _texts[token] = vocabulary.Of(token);

    private float[] Decoder(SparseDictionary dictionary)
    {
        var rows = dictionary.DecoderRows([.. Enumerable.Range(0, dictionary.FeatureCount)], weights.Threads);
        var result = new float[checked(dictionary.FeatureCount * dictionary.Width)];
        for (var f = 0; f < dictionary.FeatureCount; f++) rows[f].CopyTo(result.AsSpan(f * dictionary.Width));
        return result;
    }

    /// <summary>To so many significant digits, as the float nearest to a short decimal: what repeats is stored once.</summary>
    internal static float Rounded(float value, int digits)
    {
        if (value == 0 || !float.IsFinite(value)) return value;
        var scale = Math.Pow(10, digits - 1 - Math.Floor(Math.Log10(Math.Abs(value))));
        return (float)(Math.Round(value * scale) / scale);
    }
}
