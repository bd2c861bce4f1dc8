using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Hub;

namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>The table of releases: whole, without contradiction, and as its sources have it where they are quoted here.</summary>
public sealed class KnownReleaseTests
{
    public static TheoryData<string> Names => [.. KnownRelease.All.Select(r => r.Name)];

    [Fact]
    public void Names_are_single_and_no_short_name_is_another_releases_name()
    {
        var names = KnownRelease.All.Select(r => r.Name).ToList();
        Assert.Equal(names.Distinct(), names);
        Assert.Empty(KnownRelease.All.SelectMany(r => r.Aliases).Intersect(names));
    }

    [Theory, MemberData(nameof(Names))]
    public void A_release_is_whole(string name)
    {
        var entry = ReleaseTable.Known.Releases.Single(r => r.Name == name);
        Assert.Contains(entry.Source, ReleaseTable.Known.Sources.Keys);
        Assert.Contains('/', HubReference.Parse(entry.Model).Repository);
        foreach (var set in entry.Sets)
        {
            var count = set.Blocks.Count;
            Assert.Equal(set.Blocks.Distinct().Order(), set.Blocks);
            Assert.True(set.Path is null != set.Paths is null, $"{name}: {set.Hook} has one of path and paths");
            Assert.All((int?[])[set.Paths?.Count, set.NeuronpediaIds?.Count, set.Factors?.Count],
                n => Assert.True(n is null || n == count, $"{name}: {set.Hook} has {n} for {count} layers"));
            Assert.True(count > 0 && (set.NeuronpediaIds is null || set.Neuronpedia is null), $"{name}: {set.Hook}");
        }
        foreach (var dictionary in KnownRelease.Named(name).Single().Dictionaries)
        {
            Assert.Null(HubReference.Parse(dictionary.Repository).Revision);
            Assert.True(Site.TryParse(dictionary.Hook, out var site) && site.Layer == dictionary.Layer, dictionary.Hook);
            Assert.DoesNotContain("{", dictionary.Path + dictionary.NeuronpediaId);
            Assert.All(dictionary.Path.Split('/'), part => Assert.NotEqual("", part));
            Assert.True(dictionary.NeuronpediaId is null || dictionary.NeuronpediaId.Split('/').Length == 2, dictionary.NeuronpediaId);
        }
        var places = KnownRelease.Named(name).Single().Dictionaries.Select(d => (d.Repository, d.Path)).ToList();
        Assert.Equal(places.Distinct(), places);
    }

    [Fact]
    public void A_short_name_may_mean_several_releases_and_an_unknown_one_none()
    {
        Assert.Equal(4, KnownRelease.Named("v5-32k").Count);
        Assert.Equal("gpt2-small-res-jb", Assert.Single(KnownRelease.Named("res-jb")).Name);
        Assert.Empty(KnownRelease.Named("res"));
        Assert.Equal("openai-community/gpt2", KnownRelease.ModelNamed("gpt2-small"));
        Assert.Equal("me/mine", KnownRelease.ModelNamed("me/mine"));
    }

    [Theory]
    [InlineData("gpt2-small-res-jb", "blocks.7.hook_resid_pre", "blocks.7.hook_resid_pre", "gpt2-small/7-res-jb")]
    [InlineData("gpt2-small-res-jb", "blocks.11.hook_resid_post", "blocks.11.hook_resid_post", "gpt2-small/12-res-jb")]
    [InlineData("gpt2-small-resid-post-v5-32k", "blocks.3.hook_resid_post", "v5_32k_layer_3.pt", "gpt2-small/3-res_post_32k-oai")]
    [InlineData("gpt2-small-resid-mid-v5-128k", "blocks.3.hook_resid_mid", "v5_128k_layer_3", "gpt2-small/3-res_mid_128k-oai")]
    [InlineData("gpt2-small-res_scefr-ajt", "blocks.6.hook_resid_pre", "6-res_scefr-ajt", "gpt2-small/6-res_scefr-ajt")]
    [InlineData("pythia-70m-deduped-res-sm", "blocks.0.hook_resid_pre", "e-res-sm", null)]
    [InlineData("gemma-scope-2b-pt-res-canonical", "blocks.25.hook_resid_post", "layer_25/width_16k/average_l0_116",
        "gemma-2-2b/25-gemmascope-res-16k")]
    [InlineData("llama_scope_lxr_8x", "blocks.31.hook_resid_post", "Llama3_1-8B-Base-L31R-8x", "llama3.1-8b/31-llamascope-res-32k")]
    [InlineData("gpt2-small-mlp-tm", "blocks.8.hook_mlp_out", "sae_group_gpt2_blocks.8.hook_mlp_out_24576:v1", null)]
    public void A_dictionary_is_where_its_source_says(string release, string hook, string path, string? neuronpedia)
    {
        var dictionary = KnownRelease.Named(release).Single().Dictionaries.Single(d => d.Hook == hook);
        Assert.Equal((path, neuronpedia), (dictionary.Path, dictionary.NeuronpediaId));
    }
}
