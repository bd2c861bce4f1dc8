using OnnxAttribution.Bundles;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>Dictionaries that lie as a release has them get what their files do not say from the table of releases, and
/// export says so.</summary>
public sealed class ReleaseFactsTests : IDisposable
{
    private const string ResJb = "GPT2-Small-SAEs-Reformatted";

    private readonly TemporaryDirectory _directory = new();
    private readonly List<string> _said = [];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("fetched/dictionaries/gpt2-small-res-jb/" + ResJb)]
    [InlineData(ResJb)]
    [InlineData("hub/models--jbloom--" + ResJb + "/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e")]
    public void A_name_on_Neuronpedia_comes_from_the_place_in_the_repository(string folder)
    {
        Write($"{folder}/blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre");
        var record = Assert.Single(Export().Dictionaries);
        Assert.Equal(("gpt2-small-res-jb", "gpt2-small/1-res-jb"), (record.Release, record.NeuronpediaId));
        Assert.Contains("neuronpedia_id is missing; it is read as the table of releases has it for gpt2-small-res-jb",
            Assert.Single(_said));
        using var dictionary = ModelBundle.Open(_directory["bundle"]).OpenDictionary(Site.Parse("blocks.1.hook_resid_pre"));
        Assert.Equal("gpt2-small/1-res-jb", dictionary!.NeuronpediaId);
    }

    [Theory]
    [InlineData("elsewhere/blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre")]       // of no repository
    [InlineData(ResJb + "/blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre")]        // for another site than the release's
    [InlineData(ResJb + "/more/blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre")]   // elsewhere in it
    public void What_does_not_lie_as_published_is_no_releases(string folder, string site)
    {
        Write(folder, site);
        var record = Assert.Single(Export().Dictionaries);
        Assert.Equal((null, null, null), (record.Release, record.NeuronpediaId, record.NormScalingFactor));
        Assert.Empty(_said);
    }

    [Fact]
    public void What_the_files_say_is_theirs()
    {
        Write($"{ResJb}/blocks.1.hook_resid_pre", "blocks.1.hook_resid_pre", d => d.With("neuronpedia_id", "\"gpt2-small/1-mine\""));
        Assert.Null(Assert.Single(Export().Dictionaries).NeuronpediaId);
        Assert.Empty(_said);
        using var dictionary = ModelBundle.Open(_directory["bundle"]).OpenDictionary(Site.Parse("blocks.1.hook_resid_pre"));
        Assert.Equal("gpt2-small/1-mine", dictionary!.NeuronpediaId);
    }

    [Fact]
    public void A_factor_that_the_files_lack_is_the_releases_whenever_the_bundle_is_opened()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the release has colons in its names");
        Write("gpt2-small-mlp-out-saes/sae_group_gpt2_blocks.1.hook_mlp_out_24576:v0", "blocks.1.hook_mlp_out", d =>
        {
            d.Config["normalize_activations"] = "expected_average_only_in";
            return d;
        });
        Assert.Equal(2.3693984005104283, Assert.Single(Export().Dictionaries).NormScalingFactor);
        Assert.Contains("norm_scaling_factor is missing; it is read as the table of releases has it for gpt2-small-mlp-tm",
            Assert.Single(_said));
        using var dictionary = ModelBundle.Open(_directory["bundle"]).OpenDictionary(Site.Parse("blocks.1.hook_mlp_out"));
        Assert.Equal(2.3693984005104283, dictionary!.Config.NormScalingFactor);
    }

    [Theory, InlineData("true", true), InlineData("null", false)]
    public void Whether_texts_began_with_BOS_is_the_releases_where_the_files_are_silent(string said, bool prepends)
    {
        Write("GPT2-Small-OAI-v5-32k-attn-out-SAEs/v5_32k_layer_1", "blocks.1.hook_attn_out", d => d.With("prepend_bos", said));
        Assert.Equal(prepends, Assert.Single(Export().Dictionaries).PrependBos);
        Assert.Equal(!prepends, Assert.Single(_said).Contains("neuronpedia_id and prepend_bos are missing; they are read as"));
        using var dictionary = ModelBundle.Open(_directory["bundle"]).OpenDictionary(Site.Parse("blocks.1.hook_attn_out"));
        Assert.Equal(prepends, dictionary!.PrependBos);
    }

    private BundleManifest Export() => BundleWriter.Write(
        new ExportOptions(Random2.Checkpoint, [_directory["dictionaries"]], _directory["bundle"], Force: true), CancellationToken.None,
        _said.Add);

    private void Write(string folder, string site, Func<DictionaryFiles, DictionaryFiles>? change = null)
    {
        var dictionary = DictionaryFiles.Random(site, width: 16, features: 24, seed: 4);
        (change?.Invoke(dictionary) ?? dictionary).Write(_directory[$"dictionaries/{folder}"]);
    }
}
