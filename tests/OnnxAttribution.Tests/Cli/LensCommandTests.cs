using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>lens</c>.</summary>
public sealed class LensCommandTests(Random2Fixture random) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["lens"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Readings_and_summands_are_told_written_and_add_up()
    {
        var printed = Lens("--prompt", "abcd", "--metric", "logit-diff", "--heads", "--features", "--out", Out).Done().Output;
        Assert.Contains("The residual stream, read with the final scale", printed);
        Assert.Contains("Strongest heads", printed);
        Assert.Contains("Strongest features", printed);
        Assert.Matches(@"sum      \S+ of 7 summands, metric \S+: miss \S+", printed);
        var json = Json("--prompt", "abcd", "--metric", "logit-diff", "--heads", "--features");
        var (value, whole) = ((double)json["value"]!, Rows<SummandRow>().Where(r => r.Of is null).ToList());
        Assert.Equal(["embed", "pos_embed", "attn", "mlp", "attn", "mlp", "norm_bias"], whole.Select(r => r.Kind));
        Assert.Equal(value, whole.Sum(r => r.Value), 1e-5);
        Assert.Equal(8, Rows<SummandRow>().Count(r => r.Head is not null));
        var readings = Rows<LensRow>();
        Assert.Equal(5 * 5, readings.Count);
        Assert.Equal(value, readings.Single(r => r is { Depth: 2, Position: 4 }).Value, 1e-5);
        Assert.Equal(5 * 5 * 10, Rows<LensTokenRow>().Count);
        Assert.Equal("logit-diff", LensDirectory.ReadRecord(Out).Metric);
        Assert.Equal(5, json["readings"]!.AsArray().Count);
    }

    [Fact]
    public void A_single_logit_says_that_it_is_less_the_mean()
    {
        var json = Json("--prompt", "abcd", "--scale", "own");
        Assert.Equal(("logit less the vocabulary's mean", "own"), ((string)json["metric"]!, (string)json["scale"]!));
        Assert.Contains("less the mean over the vocabulary", Lens("--prompt", "abcd").Done().Output);
        Assert.InRange((double)json["miss"]!, 0, 1e-4);
    }

    [Fact]
    public void Many_prompts_have_the_means_of_each_ones_own()
    {
        var file = _directory["prompts.jsonl"];
        File.WriteAllText(file, """
            {"prompt": "abcd", "target": "e", "foil": "f"}
            {"prompt": "xy", "target": "z", "foil": "a"}
            """);
        string[] one = ["--metric", "logit-diff", "--heads", "--features", "--out", Out, "--force"];
        var each = new List<List<SummandRow>>();
        var values = new List<double>();
        foreach (var (prompt, target, foil) in (ReadOnlySpan<(string, string, string)>)[("abcd", "e", "f"), ("xy", "z", "a")])
        {
            values.Add((double)Json(["--prompt", prompt, "--target", target, "--foil", foil, .. one])["value"]!);
            each.Add([.. Rows<SummandRow>()]);
        }
        var mean = Json(["--prompts", file, .. one]);
        Assert.Equal(values.Average(), (double)mean["value"]!, 1e-6);
        Assert.Equal(2, (int)mean["prompts"]!);
        double Of(List<SummandRow> rows, SummandRow row) =>
            rows.Where(r => (r.Kind, r.Name, r.Of) == (row.Kind, row.Name, row.Of)).Sum(r => r.Value);
        Assert.All(Rows<SummandRow>(), row => Assert.Equal(each.Sum(rows => Of(rows, row)) / 2, row.Value, 1e-6));
        Assert.All(Rows<LensRow>(), row => Assert.Null(row.Position));
        Assert.False(File.Exists(Path.Combine(Out, "lens_tokens.parquet")));
        Assert.Contains("means at each one's last position", Lens("--prompts", file, "--metric", "logit-diff").Done().Output);
    }

    [Fact]
    public void A_run_has_its_prompt_metric_and_model()
    {
        var run = _directory["run"];
        Verb.Run("graph", "--model", random.Bundle, "--prompt", "abcd", "--metric", "logit-diff", "--position", "3", "--target", "e",
            "--sites", "resid", "--no-page", "--out", run).Done();
        var again = JsonNode.Parse(Verb.Run("lens", run, "--features", "--json").Done().Output)!;
        string[] same = ["--metric", "logit-diff", "--position", "3", "--target", "e", "--features", "--sites", "resid"];
        var typed = Json(["--prompt", "abcd", .. same]);
        foreach (var key in (string[])["value", "target_id", "foil_id", "position", "summands", "readings"])
        {
            Assert.True(JsonNode.DeepEquals(typed[key], again[key]), key);
        }
        Verb.Run("graph", "--model", random.Bundle, "--prompt", "abcd", "--metric", "prob", "--no-page", "--out", _directory["prob"])
            .Done();
        Verb.Run("lens", _directory["prob"]).Failed(1, "the metric prob is no sum", "--metric");
        Verb.Run("lens", _directory["prob"], "--metric", "logit").Done();
    }

    [Fact]
    public void Figures_are_drawn_of_what_was_written_and_replaced_with_it()
    {
        Lens("--prompt", "abcd", "--heads", "--out", Out).Done();
        (string, string, int)[] drawn = [("lens", "lens-point", 5), ("summands", "class=\"bar\"", 7), ("lens-heads", "class=\"cell\"", 8)];
        foreach (var (figure, element, count) in drawn)
        {
            Verb.Run("view", Out, "--figure", figure, "--format", "svg").Done();
            Assert.Equal(count, File.ReadAllText(Path.Combine(Out, figure + ".svg")).Split(element).Length - 1);
        }
        Lens("--prompt", "abcd", "--out", Out).Failed(1, "holds a lens already", "--force");
        Lens("--prompt", "abcd", "--out", Out, "--force").Done();
        Assert.False(File.Exists(Path.Combine(Out, "lens.svg")));
        Verb.Run("view", Out, "--figure", "lens-heads", "--format", "svg").Failed(1, "holds no heads");
        Verb.Run("view", _directory["none"], "--figure", "lens", "--format", "svg")
            .Failed(1, "is no directory of a lens", "lens --model BUNDLE");
        File.WriteAllText(Path.Combine(Out, "mine.txt"), "mine");
        Lens("--prompt", "abcd", "--out", Out, "--force").Failed(1, "something else than a lens");
    }

    [Theory, InlineData("--metric logprob --prompt a", "--metric logprob is no sum of what is written"),
        InlineData("--metric kl --prompt a", "--metric kl is no sum"), InlineData("", "there is no prompt; give --prompt TEXT"),
        InlineData("--prompt a --foil b", "--foil goes with --metric logit-diff"),
        InlineData("--prompt a --force", "--force goes with --out"),
        InlineData("--prompt a --sites resid", "--sites goes with --features or --along"),
        InlineData("--prompt a --out x.svg", "a run is a directory"), InlineData("--prompt a --prompts b", "contradict each other"),
        InlineData("--prompts b --target c", "--target goes with --prompt"), InlineData("--prompt a --scale mine", "--scale"),
        InlineData("run --prompt a", "--prompt and a RUN contradict each other")]
    public void What_goes_not_together_is_refused(string options, string words) =>
        Verb.Run(["lens", "--model", random.Bundle, .. options.Split(' ', StringSplitOptions.RemoveEmptyEntries)]).Failed(2, words);

    [Fact]
    public void What_cannot_be_read_is_said()
    {
        Verb.Run("lens", "--prompt", "a").Failed(2, "there is no model; give --model DIR");
        Lens("--prompt", "abcd", "--position", "9").Failed(1, "position 9 is outside the prompt", "--position");
        Lens("--prompt", "abcd", "--target", "ef").Failed(1, "is 2 tokens", "--target");
        Lens("--prompt", "abcd", "--features", "--sites", "resid_mid").Failed(1, "has no site 'resid_mid'");
        var file = _directory["prompts.jsonl"];
        File.WriteAllText(file, "{\"prompt\": \"a\"}\n{\"prompt\": \"abc\"}\n");
        Lens("--prompts", file, "--position", "2").Failed(1, "prompt '1': position 2 is outside the prompt", "--position");
        File.WriteAllText(file, "{\"prompt\": 1}\n");
        Lens("--prompts", file).Failed(1, "line 1: its \"prompt\" is no string");
        Verb.Run("lens", _directory["none"]).Failed(1, "none");
    }

    private Verb Lens(params string[] options) => Verb.Run(["lens", "--model", random.Bundle, .. options]);

    private JsonNode Json(params string[] options) => JsonNode.Parse(Lens([.. options, "--json"]).Done().Output)!;

    private IReadOnlyList<TRow> Rows<TRow>() where TRow : ITableRow<TRow> =>
        LensDirectory.Read<TRow>(Out, TestContext.Current.CancellationToken).Rows;
}
