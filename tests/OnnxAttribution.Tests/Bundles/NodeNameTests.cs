using OnnxAttribution.Bundles;

namespace OnnxAttribution.Tests.Bundles;

/// <summary>Nodes as subgraphs spell them.</summary>
public sealed class NodeNameTests
{
    [Theory]
    [InlineData("3:263@4", "blocks.3.hook_resid_pre", 263, 4)]
    [InlineData("3.resid:263", "blocks.3.hook_resid_pre", 263, null)]
    [InlineData("2.mlp:7", "blocks.2.hook_mlp_out", 7, null)]
    [InlineData("9.attn:error@12", "blocks.9.hook_attn_out", -1, 12)]
    [InlineData("9.attn:error", "blocks.9.hook_attn_out", -1, null)]
    [InlineData("9.attn:errors", "blocks.9.hook_attn_out", -1, null)]
    [InlineData("blocks.3.hook_resid_post:error@0", "blocks.3.hook_resid_post", -1, 0)]
    [InlineData("0.embed:error@2", "hook_embed", -1, 2)]
    public void A_node_is_read_and_spelt_the_same_again(string text, string site, int feature, int? position)
    {
        var name = FeatureName.ParseNode(text);
        Assert.Equal((site, feature, position), (name.Site, name.Feature, name.Position));
        Assert.Equal(feature < 0, name.IsError);
        Assert.Equal(name, FeatureName.ParseNode(name.Spelling));
    }

    [Theory, InlineData("error"), InlineData("3:err@1"), InlineData("3:error@x"), InlineData("3:errorx"), InlineData(":error"),
        InlineData("3:-1"), InlineData("3:error@1@2"), InlineData(""), InlineData("x:error")]
    public void What_is_none_is_refused(string text) => Assert.Throws<FormatException>(() => FeatureName.ParseNode(text));

    [Fact]
    public void A_residual_site_is_found_by_either_of_its_names()
    {
        HashSet<string> sites =
            ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post", "blocks.1.hook_mlp_out"];
        string? Here(string text) => FeatureName.ParseNode(text).Among(sites)?.Site;
        Assert.Equal("blocks.1.hook_resid_post", Here("2:5"));
        Assert.Equal("blocks.1.hook_resid_post", Here("1.resid_post:5"));
        Assert.Equal("blocks.1.hook_resid_pre", Here("blocks.0.hook_resid_post:5"));
        Assert.Equal("blocks.1.hook_mlp_out", Here("1.mlp:5"));
        Assert.Null(Here("0.mlp:5"));
        Assert.Null(Here("3:5"));
        Assert.Null(Here("1.attn:5"));
    }
}
