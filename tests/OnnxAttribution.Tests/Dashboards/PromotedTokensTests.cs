using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Tokens that features raise and lower, by the weights alone: those of the checkpoint's own tensors, and of a text.</summary>
public sealed class PromotedTokensTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void What_a_text_says_of_the_embedded_models_features_is_said_without_one()
    {
        var bundle = ModelBundle.Open(Repository.TinyModel);
        (Site Site, int Feature)[] features = [.. bundle.Sites.Where(bundle.HasDictionary)
            .SelectMany(s => Enumerable.Range(0, 40).Select(f => (s, 25 * f)))];
        var found = PromotedTokens.Of(bundle, features, MlpReplacement.None, new RunContext(threads: 1));
        var told = FeatureTable.Open(Repository.TinyModel)!.Read([.. features.Select(f => (f.Site.Name, f.Feature))]);
        Assert.Equal(features.Length, found.Count);
        foreach (var (feature, card) in told)
        {
            Same(card.Promoted, found[feature].Promoted);
            Same(card.Suppressed, found[feature].Suppressed);
        }
    }

    // four digits of a logit are kept, and tokens that are equal in them may stand in either order, or be the last or not
    private static void Same(IReadOnlyList<TokenLogit> expected, IReadOnlyList<string> actual)
    {
        var last = Math.Abs(expected[^1].Logit) * 1.001f;
        Assert.Equal(expected.Count, actual.Count);
        Assert.Subset(actual.ToHashSet(), expected.Where(t => Math.Abs(t.Logit) > last).Select(t => t.Token).ToHashSet());
        Assert.True(expected.Zip(actual).Count(p => p.First.Token == p.Second) >= expected.Count - 4);
    }

    // GPT-2 has a LayerNorm and ties its embeddings, Llama has an RMSNorm and does not
    [Theory]
    [InlineData("transcoders-plt", "ln_f.weight", "wte.weight"), InlineData("transcoders-clt", "ln_f.weight", "wte.weight")]
    [InlineData("transcoders-skip-topk", "ln_f.weight", "wte.weight")]
    [InlineData("transcoders-rms", "model.norm.weight", "lm_head.weight")]
    [InlineData("transcoders-clt-rms", "model.norm.weight", "lm_head.weight")]
    public void A_transcoders_feature_raises_what_its_rows_for_all_layers_together_do(string name, string norm, string unembedding)
    {
        using var golden = TranscoderGolden.Open(name);
        var bundle = ModelBundle.Open(golden.Bundle(_directory["bundle"]));
        var tokenizer = Tokenizer.Open(bundle.Directory);
        // J u = (u − mean u) ∘ w, without the mean for RMSNorm, times the unembedding; in double
        using var file = SafetensorsFile.Open(Path.Combine(golden.Checkpoint, "model.safetensors"));
        double[] Tensor(string end) => file.ReadDoubles(file.Tensors.Keys.Single(k => k.EndsWith(end, StringComparison.Ordinal)));
        double[] gain = Tensor(norm), embedding = Tensor(unembedding);
        var (d, centres) = (gain.Length, norm == "ln_f.weight" ? 1 : 0);
        foreach (var site in bundle.Sites.Where(s => bundle.TranscoderAt(s) is not null))
        {
            using var source = bundle.Open(bundle.TranscoderAt(site)!);
            var rows = source.File.ReadFloats("W_dec");
            var found = PromotedTokens.Of(bundle, Enumerable.Range(0, source.FeatureCount).Select(f => (site, f)), MlpReplacement.Mlp,
                new RunContext(threads: 1));
            Assert.Equal(source.FeatureCount, found.Count);
            var width = rows.Length / source.FeatureCount;
            for (var f = 0; f < source.FeatureCount; f++)
            {
                double[] u = [.. Enumerable.Range(0, d).Select(i => Enumerable.Range(0, width / d)
                    .Sum(layer => (double)rows[(f * width) + (layer * d) + i]))];
                var effects = Enumerable.Range(0, tokenizer.Count).Select(t => (Token: tokenizer.TokenText(t),
                    Logit: Enumerable.Range(0, d).Sum(i => (u[i] - (centres * u.Average())) * gain[i] * embedding[(t * d) + i]))).ToList();
                Assert.Equal(effects.OrderByDescending(e => e.Logit).Take(10).Select(e => e.Token), found[(site.Name, f)].Promoted);
                Assert.Equal(effects.OrderBy(e => e.Logit).Take(10).Select(e => e.Token), found[(site.Name, f)].Suppressed);
            }
        }
    }

    [Fact]
    public void Where_a_transcoder_is_not_what_is_meant_a_site_without_a_dictionary_says_nothing()
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        var bundle = ModelBundle.Open(golden.Bundle(_directory["bundle"]));
        Assert.Empty(PromotedTokens.Of(bundle, [(Site.Parse("blocks.1.hook_mlp_out"), 0)], MlpReplacement.None,
            new RunContext(threads: 1)));
    }

    public void Dispose() => _directory.Dispose();
}
