using OnnxAttribution.Bundles;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>sites.json is read strictly: what it says wrong is named.</summary>
public sealed class SiteMapTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Sites_come_in_the_order_of_computation_under_the_names_that_bundles_use()
    {
        var map = Read(
            """{"sites": {"blocks.1.hook_resid_post": "e", "blocks.0.hook_resid_post": "d", "blocks.0.hook_mlp_out": "c","""
            + """ "blocks.0.hook_resid_mid": "m", "blocks.0.attn.hook_z": "z", "blocks.0.hook_attn_out": "b","""
            + """ "blocks.0.hook_resid_pre": "a"}}""");
        Assert.Equal(
            [("blocks.0.hook_resid_pre", "a"), ("blocks.0.attn.hook_z", "z"), ("blocks.0.hook_attn_out", "b"), ("blocks.0.hook_resid_mid",
                "m"), ("blocks.0.hook_mlp_out", "c"), ("blocks.1.hook_resid_pre", "d"), ("blocks.1.hook_resid_post", "e")],
            map.Sites);
        Assert.Equal(2, map.Layers);
        Assert.Equal((null, null, null, null, null), (map.Tokens, map.Logits, map.Heads, map.Positions, map.PrependBos));
    }

    [Fact]
    public void Every_key_is_read()
    {
        var map = Read(
            """{"tokens": "ids", "logits": "out", "sites": {"blocks.0.hook_resid_pre": "a"},"""
            + """ "hooks": {"blocks.0.attn.hook_pattern": "p", "hook_embed": "q"}, "n_layers": 7, "n_heads": 3, "n_ctx": 99,"""
            + """ "prepend_bos": false}""");
        Assert.Equal(("ids", "out", 7, 3, 99, false), (map.Tokens, map.Logits, map.Layers, map.Heads, map.Positions, map.PrependBos));
        Assert.Equal([("blocks.0.attn.hook_pattern", "p"), ("hook_embed", "q")], map.Hooks);
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "Array", "\"sites\"")]
    [InlineData("""{"sites": {}}""", "names no sites")]
    [InlineData("""{}""", "names no sites")]
    [InlineData("""{"site": {}}""", "unknown key 'site'", "Did you mean 'sites'")]
    [InlineData("""{"sites": {"a": "x"}}""", "'a', which is no site", "hook_resid_pre")]
    [InlineData("""{"sites": {"blocks.0.hook_resid": "x"}}""", "'blocks.0.hook_resid', which is no site")]
    [InlineData("""{"sites": {"blocks.00.hook_resid_pre": "x"}}""", "'blocks.00.hook_resid_pre', which is no site")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": 3}}""", "sites.blocks.0.hook_resid_pre is 3", "name of a tensor")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": ""}}""", "name of a tensor")]
    [InlineData("""{"sites": "x"}""", "sites is \"x\"", "object")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x", "blocks.0.hook_mlp_out": "x"}}""",
        "'blocks.0.hook_resid_pre' and 'blocks.0.hook_mlp_out' name the same tensor")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_post": "x", "blocks.1.hook_resid_pre": "y"}}""",
        "'blocks.0.hook_resid_post' and 'blocks.1.hook_resid_pre' name the same site")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x", "blocks.0.hook_resid_pre": "y"}}""", "not valid JSON")]
    [InlineData("""{"sites": {"blocks.3.hook_resid_pre": "x"}, "n_layers": 3}""", "n_layers is 3", "block 3", "count from 0")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "n_heads": 0}""", "n_heads is 0", "above 0")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "n_ctx": "long"}""", "n_ctx is \"long\"")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "prepend_bos": 1}""", "prepend_bos is 1", "true or false")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "tokens": 1}""", "tokens is 1")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "hooks": {"blocks.0.hook_resid_pre": "x"}}""",
        "both as a site and as a hook")]
    [InlineData("""{"sites": {"blocks.0.hook_resid_pre": "x"}, "hooks": {"tokens": "x"}}""", "the hook 'tokens'", "hook_pattern")]
    public void What_is_wrong_is_named(string json, params string[] words)
    {
        var e = Assert.Throws<BundleException>(() => Read(json));
        Assert.DoesNotContain('\n', e.Message);
        Assert.All([_directory["sites.json"], .. words], w => Assert.Contains(w, e.Message));
    }

    [Fact]
    public void A_missing_file_is_named_with_what_it_holds() =>
        Assert.Contains("there is no " + _directory["sites.json"],
            Assert.Throws<BundleException>(() => SiteMap.Read(_directory["sites.json"])).Message);

    private SiteMap Read(string json)
    {
        File.WriteAllText(_directory["sites.json"], json);
        return SiteMap.Read(_directory["sites.json"]);
    }
}
