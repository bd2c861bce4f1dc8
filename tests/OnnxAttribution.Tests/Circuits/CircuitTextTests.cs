using OnnxAttribution.Attribution;
using OnnxAttribution.Circuits;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution.Invariants;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Circuits in short: what parses, and where the message points when it does not.</summary>
public sealed class CircuitTextTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory]
    [InlineData("1:9", "blocks.1.hook_resid_pre", -1, 9)]
    [InlineData("1.resid:9", "blocks.1.hook_resid_pre", -1, 9)]
    [InlineData(" 0.attn : 12 @ 3 ", "blocks.0.hook_attn_out", 3, 12)]
    [InlineData("1.mlp:7", "blocks.1.hook_mlp_out", -1, 7)]
    [InlineData("1.resid_post:7", "blocks.1.hook_resid_post", -1, 7)]
    [InlineData("0.resid_post:7", "blocks.1.hook_resid_pre", -1, 7)]
    [InlineData("blocks.0.hook_attn_out:12@0", "blocks.0.hook_attn_out", 0, 12)]
    [InlineData("1.resid 9 @0", "blocks.1.hook_resid_pre", 0, 9)]   // as earlier versions wrote it
    [InlineData("0.mlp:error@2", "blocks.0.hook_mlp_out", 2, -1)]
    [InlineData("0.mlp:error", "blocks.0.hook_mlp_out", -1, -1)]
    [InlineData("# the one that matters\n0.mlp:3 # this one\n\n", "blocks.0.hook_mlp_out", -1, 3)]
    public void A_site_is_a_layer_a_kind_or_a_hook_name(string text, string site, int position, int feature)
    {
        using var model = bundle.Open();
        Assert.Equal(new CircuitNode(model.Selected.Single(s => s.Name == site), position, feature),
            Assert.Single(CircuitText.Parse(text, model).Nodes));
    }

    [Fact]
    public void Pieces_are_parted_by_semicolons_or_lines_and_features_by_commas()
    {
        using var model = bundle.Open();
        var circuit = CircuitText.Parse("0:1,2@3;1:4\r\n1.mlp:5;;\n1:4", model);
        Assert.Equal([(0, 1, -1), (0, 2, 3), (1, 4, -1), (1, 5, -1)], circuit.Nodes.Select(n => (n.Site.Layer, n.Feature, n.Position)));
        Assert.Empty(CircuitText.Parse(" ;\n# nothing\n", model).Nodes);
    }

    [Theory]
    [InlineData("1", "'1'", "':'")]
    [InlineData("1:2;0:x", "'x'", "'0:x'", "no feature")]
    [InlineData("1:", "''", "'1:'")]
    [InlineData("1:2,,3", "'1:2,,3'", "no feature")]
    [InlineData("1:-1", "'-1'", "no feature")]
    [InlineData("1:error@", "'error@'", "no feature")]
    [InlineData("1:errors", "'errors'", "no feature")]
    [InlineData("1:2@", "'2@'", "no feature")]
    [InlineData("1:2@x", "'2@x'", "no feature")]
    [InlineData("1:2@3@4", "'2@3@4'")]
    [InlineData("1:99999999999", "99999999999", "no feature")]
    [InlineData("1.foo:2", "'1.foo'", "3.attn")]
    [InlineData("foo:2", "'foo'", "no site")]
    [InlineData("7:2", "'7:2'", "blocks.7.hook_resid_pre", "Did you mean")]
    [InlineData("blocks.0.hook_mlp:2", "Did you mean 'blocks.0.hook_mlp_out'")]
    public void What_does_not_parse_is_pointed_at(string text, params string[] parts)
    {
        using var model = bundle.Open();
        BundleWriterTests.Refused<CircuitException>(() => CircuitText.Parse(text, model), parts);
    }

    [Fact]
    public void A_circuit_that_does_not_fit_is_refused()
    {
        using var model = bundle.Open("resid");
        void Run(string circuit) =>
            CircuitAblation.Run(model, bundle.Tokens, CircuitText.Parse(circuit, model), new CircuitAblationOptions());
        BundleWriterTests.Refused<CircuitException>(() => Run(""), "empty", "3:953");
        BundleWriterTests.Refused<CircuitException>(() => Run("1:40"), "no feature 40", "0 to 39");
        BundleWriterTests.Refused<CircuitException>(() => Run("1.mlp:4"), "not among the selected", "select it too");
        BundleWriterTests.Refused<CircuitException>(() => Run("1:4@4"), "position 4", "4 tokens", "0 to 3");
        BundleWriterTests.Refused<CircuitException>(() => CircuitAblation.Run(model, bundle.Tokens,
            new Circuit([new CircuitNode(model.Selected[0], 0, CausalNode.Error)]), new CircuitAblationOptions()), "error nodes only");
        BundleWriterTests.Refused<AttributionException>(() =>
            CircuitAblation.Run(model, bundle.Tokens, CircuitText.Parse("1:4", model), new CircuitAblationOptions(float.NaN)),
            "NaN", "finite");
    }
}
