using OnnxAttribution.Bundles;

namespace OnnxAttribution.Tests.Bundles;

public class FeatureNameTests
{
    [Theory]
    [InlineData("0:953", "blocks.0.hook_resid_pre", 953, null)]
    [InlineData("3:953", "blocks.3.hook_resid_pre", 953, null)]
    [InlineData("4:7", "blocks.4.hook_resid_pre", 7, null)]   // another name of the last hook_resid_post, as ModelBundle knows
    [InlineData("3.resid:7", "blocks.3.hook_resid_pre", 7, null)]
    [InlineData("3.resid_post:7", "blocks.3.hook_resid_post", 7, null)]
    [InlineData("2.resid_post:7", "blocks.3.hook_resid_pre", 7, null)]
    [InlineData("3.attn:12@5", "blocks.3.hook_attn_out", 12, 5)]
    [InlineData("3.mlp:0@0", "blocks.3.hook_mlp_out", 0, 0)]
    [InlineData("blocks.3.hook_attn_out:12", "blocks.3.hook_attn_out", 12, null)]
    public void Short_names_and_hook_names_mean_a_site_of_a_model_with_four_blocks(string text, string site, int feature, int? position)
    {
        var name = FeatureName.Parse(text);
        Assert.Equal((site, feature, position), (Site.Canonical(name.Site, 4), name.Feature, name.Position));
        Assert.Equal(name, FeatureName.Parse(name.ToString()));
    }

    [Theory]
    [InlineData(""), InlineData("953"), InlineData("3:"), InlineData("3:-1"), InlineData(":3"), InlineData("3:1@"), InlineData("3:1@x"),
        InlineData("3.head:1"), InlineData("x:1")]
    [InlineData("3:1 "), InlineData("3:1\n"), InlineData("3:99999999999"), InlineData("99999999999:3"), InlineData("3:1@99999999999"),
        InlineData("٣:1")]
    public void What_is_no_feature_is_refused_with_how_to_write_one(string text) =>
        Assert.Contains("3.attn:12", Assert.Throws<FormatException>(() => FeatureName.Parse(text)).Message);

    [Theory]
    [InlineData("3.resid 263", "3:263"), InlineData("3.resid 263 @5", "3:263@5"), InlineData("0.attn 12@5", "0.attn:12@5")]
    [InlineData("3.resid_post 7", "3.resid_post:7")]
    public void What_earlier_versions_wrote_is_still_read(string former, string today) =>
        Assert.Equal(FeatureName.Parse(today), FeatureName.Parse(former));

    [Theory]
    [InlineData("blocks.3.hook_resid_pre", 263, 5, "3:263@5"), InlineData("blocks.3.hook_resid_pre", 263, -1, "3:263")]
    [InlineData("blocks.2.hook_mlp_out", 7, null, "2.mlp:7"), InlineData("blocks.9.hook_attn_out", 12, 0, "9.attn:12@0")]
    [InlineData("blocks.3.hook_resid_post", 7, null, "3.resid_post:7"), InlineData("blocks.3.hook_resid_mid", 7, null, "3.resid_mid:7")]
    [InlineData("blocks.3.attn.hook_z", 7, null, "3.z:7")]
    public void A_node_is_spelt_as_it_is_read(string site, int feature, int? position, string name)
    {
        Assert.Equal(name, FeatureName.Of(site, feature, position));
        Assert.Equal(new FeatureName(site, feature, position < 0 ? null : position), FeatureName.Parse(name));
        Assert.Equal(name.Replace($":{feature}", ":error"), FeatureName.Of(site, -1, position));
    }

    [Theory, InlineData("3.263"), InlineData("3.263@1")]
    public void A_pages_name_of_a_node_is_told_how_to_write_it(string text) =>
        Assert.Contains("a page's 3.263 is 3:263 in the residual stream, 3.attn:263 or 3.mlp:263",
            Assert.Throws<FormatException>(() => FeatureName.Parse(text)).Message);
}
