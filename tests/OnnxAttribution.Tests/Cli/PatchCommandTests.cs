using System.Text.Json.Nodes;
using System.Xml.Linq;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.View.Formats;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>patch</c>.</summary>
public sealed class PatchCommandTests : IDisposable
{
    private const string Pairs = """
        {"id": "round", "prompt": "Copyright (C", "target": ")", "foil": "]", "patch_prompt": "Copyright [C"}
        {"id": "square", "prompt": "Copyright [C", "target": "]", "foil": ")", "patch_prompt": "Copyright (C"}
        """;

    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["patched"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_set_has_a_row_for_each_place_and_pair_and_its_scores_are_ratios_of_means()
    {
        Patch("--prompts", Written(Pairs), "--what", "resid,v,pattern", "--by-position", "--estimate", "--out", Out).Done();
        var (record, rows) = PatchDirectory.Read(Out, TestContext.Current.CancellationToken);
        // 4 layers of 4 positions, and of 4 heads at all positions and at each
        const int places = (4 * 4) + (2 * 4 * 4) + (2 * 4 * 4 * 4);
        Assert.Equal(places * 3, rows.Count);
        Assert.Equal((("round", 13.74), ("square", -1.42)),
            ((record.Prompts[0].Id, Math.Round(record.Prompts[0].CleanMetric, 2)),
            (record.Prompts[1].Id, Math.Round(record.Prompts[1].CleanMetric, 2))));
        var range = record.CleanMetric - record.CorruptedMetric;
        foreach (var place in rows.GroupBy(r => (r.Hook, r.Head, r.Position)))
        {
            var (mean, pairs) = (place.Single(r => r.Prompt is null), place.Where(r => r.Prompt is not null).ToList());
            Assert.Equal(["round", "square"], pairs.Select(r => r.Prompt));
            Assert.Equal(pairs.Average(r => r.Metric), mean.Metric, 1e-9);
            Assert.Equal((mean.Metric - record.CorruptedMetric) / range, mean.Score, 1e-9);
            Assert.Equal(pairs.Zip(record.Prompts, (r, p) => r.EstimatedScore * (p.CleanMetric - p.CorruptedMetric)).Average() / range,
                mean.EstimatedScore, 1e-6);
        }
        Assert.Equal(["<|endoftext|>", "Copyright", null, "C"], record.Tokens);
        // the stream at the one position where the prompts differ is all that tells them apart, at first
        Assert.Equal(1, Score(rows, "blocks.0.hook_resid_pre", null, 2), 1e-4);
        Assert.All(rows.Where(r => r.Position < 2), r => Assert.Equal((0, 0), (r.Score, r.EstimatedScore)));
    }

    [Fact]
    public void Noising_is_the_other_way_round()
    {
        string[] pair = ["--prompt", "Copyright (C", "--patch-prompt", "Copyright [C", "--target", ")", "--foil", "]", "--what", "resid"];
        var noising = Json([.. pair, "--direction", "noising"]);
        // the prompts changed places, and so the metric's ends: the same run is patched
        var denoising = Json(["--prompt", "Copyright [C", "--patch-prompt", "Copyright (C", .. pair[4..]]);
        Assert.Equal((double)noising["clean_metric"]!, (double)denoising["corrupted_metric"]!);
        Assert.Equal(Strongest(denoising), Strongest(noising));
        Assert.Equal("noising", (string)noising["direction"]!);
    }

    [Fact]
    public void The_strongest_are_listed_with_their_tokens()
    {
        var printed = Patch("--prompt", "Copyright (C", "--patch-prompt", "Copyright [C", "--target", ")", "--top", "3").Done().Output;
        Assert.Contains("metric    logit-diff: clean 6.655, corrupted 2.423", printed);
        Assert.Contains("2 ' ('", printed);
        Assert.Contains("64 activations patched", printed);
        Assert.Equal(3, printed.Split('\n').Count(l => l.StartsWith("│ resid", StringComparison.Ordinal)
            || l.StartsWith("│ mlp", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_figure_has_a_cell_for_each_score_and_heads_against_their_outputs()
    {
        Patch("--prompts", Written(Pairs), "--what", "resid,z,v,pattern", "--by-position", "--out", Out).Done();
        Verb.Run("view", Out, "--figure", "patching").Done();
        var svg = XElement.Load(Path.Combine(Out, "patching.svg"));
        Assert.Equal(16 + (3 * 16) + (3 * 64), SvgReading.OfClass(svg, "cell").Count());
        Assert.Equal(2 * 16, SvgReading.OfClass(svg, "head").Count());
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["resid, by position", "z, by head", "pattern, head by position", "v against z", "Copyright_1", "C_3", "2.0"],
            t => Assert.Contains(t, texts));
        // the one that restores everything is as strong as any, and raises
        var cell = SvgReading.OfClass(svg, "cell").Single(c => c.Value == "resid, by position\n0 at 2: 1");
        Assert.Equal((SvgTheme.Light.Raises, 1), ((string)cell.Attribute("fill")!, SvgReading.Value(cell, "fill-opacity")));
        // what was drawn into it does not keep a directory from being written anew
        Patch("--prompts", Written(Pairs), "--out", Out, "--force").Done();
        Patch("--prompts", Written(Pairs), "--out", Out).Failed(1, "--force");
        Verb.Run("view", _directory["nowhere"], "--figure", "patching").Failed(1, "patching.json");
    }

    [Theory]
    [InlineData("there is no prompt", 2, "--what", "z")]
    [InlineData("--patch-prompt TEXT", 2, "--prompt", "a")]
    [InlineData("--what cannot be 'heads'; it takes resid, attn, mlp, z, q, k, v, pattern", 2, "--prompt", "a", "--patch-prompt", "b",
        "--what", "z,heads")]
    [InlineData("--by-position goes with --what z", 2, "--prompt", "a", "--patch-prompt", "b", "--what", "attn", "--by-position")]
    [InlineData("--foil goes with --metric logit-diff", 2, "--prompt", "a", "--patch-prompt", "b", "--foil", "c", "--metric", "logit")]
    [InlineData("--force goes with --out", 2, "--prompt", "a", "--patch-prompt", "b", "--force")]
    [InlineData("position 7 is outside the prompt, whose tokens are 0 to 1 (--position)", 1, "--prompt", "a", "--patch-prompt", "b",
        "--position", "7")]
    [InlineData("no score is defined; take prompts whose answers differ", 1, "--prompt", "a b", "--patch-prompt", "a b")]
    [InlineData("kl has gradient 0 at the clean run", 1, "--prompt", "a", "--patch-prompt", "b", "--metric", "kl", "--estimate",
        "--direction", "noising")]
    public void What_cannot_be_is_said_in_a_line(string words, int code, params string[] arguments) =>
        Patch(arguments).Failed(code, words);

    [Fact]
    public void Sets_that_cannot_be_patched_together_are_refused_by_name()
    {
        Patch("--prompts", Written(Pairs + "\n" + """{"id": "long", "prompt": "Copyright (C) 20", "patch_prompt": "Copyright [C) 20"}"""))
            .Failed(1, "of 3 most have 4 tokens, but 'long' has");
        Patch("--prompts", Written("""{"id": "alone", "prompt": "Copyright (C"}""")).Failed(1, "the prompt 'alone' has no patch prompt");
        Patch("--prompts", Written("{\"prompt\": 1}")).Failed(1, "line 1: its \"prompt\" is no string");
    }

    [Fact]
    public void Kl_is_measured_and_estimated_where_it_has_a_gradient()
    {
        var json = Json(["--prompt", "Copyright (C", "--patch-prompt", "Copyright [C", "--metric", "kl", "--estimate", "--what", "resid"]);
        Assert.Equal(0, (double)json["clean_metric"]!, 1e-6);
        var strongest = json["strongest"]!.AsArray().Select(s => (Score: (double)s!["score"]!, Estimate: (double)s["estimated_score"]!));
        Assert.Contains(strongest, s => s.Score > 0.9 && s.Estimate > 0.1);
    }

    private static double Score(IReadOnlyList<PatchRow> rows, string hook, int? head, int? position) =>
        rows.Single(r => r.Prompt is null && r.Hook == hook && r.Head == head && r.Position == position).Score;

    private static List<string> Strongest(JsonNode json) =>
        [.. json["strongest"]!.AsArray().Select(s => $"{s!["hook"]} {s["position"]} {(double)s["score"]!:0.0000}")];

    private static JsonNode Json(string[] arguments) => JsonNode.Parse(Patch([.. arguments, "--json"]).Done().Output)!;

    private static Verb Patch(params string[] arguments) => Verb.Run(["patch", "--model", Repository.TinyModel, .. arguments]);

    private string Written(string lines)
    {
        File.WriteAllText(_directory["pairs.jsonl"], lines);
        return _directory["pairs.jsonl"];
    }
}
