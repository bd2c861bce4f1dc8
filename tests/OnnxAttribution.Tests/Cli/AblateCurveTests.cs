using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>ablate --up --down</c> on the model of the goldens,
/// whose feature 14 before block 0 turns feature 2 of the last site on and off.</summary>
public sealed class AblateCurveTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private Verb Ablate(params string[] args) => Verb.Run(["ablate", "--model", model.Bundle, "--prompt", "WGlT", .. args]);

    private Verb Curve(params string[] args) => Ablate(["--up", "0:14", "--down", "2:2", .. args]);

    [Fact]
    public void It_prints_the_curve_as_a_table_and_a_plot_with_what_bends_it()
    {
        var output = Curve("--coefficients", "-0.5..2:0.25").Done().Output;
        Assert.Contains("blocks.0.hook_resid_pre:14, scaled at", output);
        Assert.Contains("blocks.1.hook_resid_post:2 at 1 'W'", output);      // where it responds most
        Assert.Contains("│         1.5 │", output);
        Assert.Contains("R² of a straight line 0.", output);
        Assert.Contains("bend 0.75 to 1: feature 2 enters the 6 strongest of blocks.1.hook_resid_post", output);
        Assert.Contains($"└{new string('─', 60)}", output);
    }

    [Fact]
    public void Json_holds_what_is_printed()
    {
        var json = JsonNode.Parse(Curve("--coefficients", "0,1,2", "--position", "1", "--json").Done().Output)!;
        Assert.Equal(("blocks.0.hook_resid_pre", 14, "blocks.1.hook_resid_post", 2, 1),
            ((string)json["up"]!["site"]!, (int)json["up"]!["feature"]!, (string)json["down"]!["site"]!, (int)json["down"]!["feature"]!,
                (int)json["position"]!));
        Assert.Equal([0.0, 1, 2], json["points"]!.AsArray().Select(p => (double)p!["coefficient"]!));
        Assert.Equal((double)json["clean_activation"]!, (double)json["points"]![1]!["activation"]!);
        Assert.Equal((double)json["clean_activation"]!, (double)json["points"]![1]!["line"]!, 1e-6);
        Assert.Equal((double)json["slope"]!, (double)json["points"]![2]!["line"]! - (double)json["points"]![1]!["line"]!, 1e-5);
        Assert.Contains(json["bends"]!.AsArray(), b => (string)b!["cause"]! == "switches_on");
    }

    [Fact]
    public void Parquet_holds_every_position_and_is_not_replaced_unasked()
    {
        var file = _directory["new/curve.parquet"];
        Curve("--coefficients", "0..1:0.5", "--out", file).Done();
        var table = StoredTable.Read(file);
        Assert.Equal(["coefficient", "position", "token", "activation", "line", "up_site", "up_feature", "down_site", "down_feature",
            "switched", "cause"], table.Columns.Select(c => c.Name));
        Assert.Equal(3 * 5, table.Count);
        Assert.Equal([0, 0.5, 1], table.Values<double>("coefficient").Distinct());
        Assert.Equal(["<|endoftext|>", "W", "G", "l", "T"], table.Values<string?>("token").Take(5));
        Assert.All(Enumerable.Range(10, 5), i => Assert.Equal(table.Values<float>("activation")[i], table.Values<float>("line")[i]));
        Assert.All(table.Values<bool?>("switched").Take(5), s => Assert.False(s));      // nothing lies before the first
        Assert.Contains(table.Values<string?>("cause"), c => c?.Contains("enters the 6 strongest") == true);
        Assert.Equal(table.Values<bool?>("switched").Select(s => s == true), table.Values<string?>("cause").Select(c => c is not null));
        var before = File.ReadAllBytes(file);
        Curve("--coefficients", "0..1:0.5", "--out", file).Failed(1, file, "--force");
        Assert.Equal(before, File.ReadAllBytes(file));
        Curve("--coefficients", "0,1", "--out", file, "--force").Done();
        Assert.Equal(10, StoredTable.Read(file).Count);
    }

    [Fact]
    public void One_position_may_be_scaled_and_a_single_coefficient_asked_for()
    {
        var json = JsonNode.Parse(
            Ablate("--up", "0:14@1", "--down", "blocks.1.hook_resid_post:2", "--coefficients", "0", "--json").Done().Output)!;
        Assert.Equal([1], json["scaled"]!.AsArray().Select(s => (int)s!["position"]!));
        Assert.Null(json["r_squared"]);
        Ablate("--up", "0:14", "--down", "2:2", "--coefficients=0.5").Done();
    }

    [Theory]
    [InlineData("--up needs the feature to read", "--up", "0:14")]
    [InlineData("'0-14' is no feature", "--up", "0-14", "--down", "2:2")]
    [InlineData("--position 3", "--up", "0:14", "--down", "2:2@3")]
    [InlineData("--coefficients '0..1' have no step", "--up", "0:14", "--down", "2:2", "--coefficients", "0..1")]
    [InlineData("write 0..1:0.1", "--up", "0:14", "--down", "2:2", "--coefficients", "1..0:0.1")]
    [InlineData("no number", "--up", "0:14", "--down", "2:2", "--coefficients", "0,x")]
    [InlineData("at most 10,000", "--up", "0:14", "--down", "2:2", "--coefficients", "0..2:0.0001")]
    [InlineData("--metric has no meaning with --up", "--up", "0:14", "--down", "2:2", "--metric", "loss")]
    [InlineData("--prompts", "--up", "0:14", "--down", "2:2", "--prompts", "f")]
    public void Wrong_usage_is_told_before_anything_is_read(string words, params string[] args) => Ablate(args).Failed(2, words);

    [Theory]
    [InlineData("0:14", "9:2", "no site 'blocks.9.hook_resid_pre'", "Did you mean")]
    [InlineData("0:14", "2:40", "no feature 40", "0 to 39")]
    [InlineData("0:14@9", "2:2", "position 9 (@9)", "0 to 4")]
    [InlineData("2:2", "0:14", "does not lie downstream", "a later site")]
    [InlineData("0.mlp:1", "0.attn:1", "does not lie downstream", "a later site")]
    [InlineData("0:14", "0:2", "both features are of blocks.0.hook_resid_pre", "later site")]
    [InlineData("0:14@3", "2:2", "not active at position 3, only at 0, 1", "leave @3 out")]
    public void What_cannot_be_is_told_with_the_fix(string up, string down, params string[] words) =>
        Ablate("--up", up, "--down", down).Failed(1, words);

    [Fact]
    public void A_feature_that_is_not_active_is_answered_with_those_that_are()
    {
        var inactive = Enumerable.Range(0, 40).First(i => Ablate("--up", $"0:{i}", "--down", "2:2").Code != 0);
        Ablate("--up", $"0:{inactive}", "--down", "2:2")
            .Failed(1, $"feature {inactive} of blocks.0.hook_resid_pre is not active on this prompt", "active there are ", "@");
    }
}
