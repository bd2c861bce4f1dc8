using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary><c>lens --along</c>: a direction followed through the stream.</summary>
public sealed class LensAlongTests(Random2Fixture random) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["trace"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_trace_is_told_written_and_adds_up()
    {
        var printed = Along("1:3", "--heads", "--cosine", "0.2", "--out", Out).Done().Output;
        Assert.Contains("along    the decoder row of 1:3, less its mean, of unit length", printed);
        Assert.Contains("Written in (above 0) and scrubbed out", printed);
        Assert.Contains("Strongest heads", printed);
        Assert.Contains("Features along it", printed);
        var (rows, heads) = (Rows<TraceRow>(), Rows<TraceHeadRow>());
        Assert.Equal(2 * 5, rows.Count);
        Assert.All(rows, r => Assert.Equal(r.After, r.Before + r.Attn + r.Mlp, 1e-5));
        double Heads(TraceRow r) => heads.Where(h => (h.Layer, h.Position) == (r.Layer, r.Position)).Sum(h => h.Value);
        Assert.All(rows, r => Assert.Equal(r.Attn, Heads(r), 1e-5));
        var features = Rows<TraceFeatureRow>();
        Assert.All(features, f => Assert.InRange(f.Cosine, 0.2, 1));
        Assert.Contains(features, f => f is { Site: "blocks.1.hook_resid_pre", Feature: 3, Cosine: > 0.999 });
        var json = JsonNode.Parse(Along("1:3", "--json").Done().Output)!;
        Assert.Equal(rows.Select(r => r.Attn), json["steps"]!.AsArray().Select(s => (double)s!["attn"]!));
        Assert.True((bool)json["centred"]!);
    }

    [Fact]
    public void The_direction_of_a_token_is_what_its_logit_reads()
    {
        var json = JsonNode.Parse(Along("metric", "--metric", "logit-diff", "--target", "e", "--foil", "f", "--json").Done().Output)!;
        Assert.Equal(("metric", "e", "f"), ((string)json["along"]!, (string)json["target"]!, (string)json["foil"]!));
        Assert.Contains("what the final stream has for 'e' over the vocabulary's mean", Along("target", "--target", "e").Done().Output);
        Assert.Contains("has for 'f' over", Along("foil", "--metric", "logit-diff", "--target", "e", "--foil", "f").Done().Output);
        // h at the end is the metric over ‖u‖, so that two metrics' traces end as their values are to each other
        double End(string target, string foil)
        {
            string[] asked = ["--metric", "logit-diff", "--target", target, "--foil", foil, "--json"];
            var steps = JsonNode.Parse(Along("metric", asked).Done().Output)!["steps"]!.AsArray();
            return (double)steps[^1]!["after"]!;
        }
        Assert.Equal(End("e", "f"), -End("f", "e"), 1e-5);
    }

    [Fact]
    public void A_run_has_the_prompt_and_the_figure_is_a_strip_of_panels()
    {
        var run = _directory["run"];
        Verb.Run("graph", "--model", random.Bundle, "--prompt", "abcd", "--sites", "resid", "--no-page", "--out", run).Done();
        Verb.Run("lens", run, "--along", "1:3", "--out", Out).Done();
        Assert.Equal("abcd", TraceDirectory.ReadRecord(Out).Prompt);
        Verb.Run("view", Out, "--figure", "trace", "--format", "svg").Done();
        var figure = File.ReadAllText(Path.Combine(Out, "trace.svg"));
        Assert.Equal(5 * 2, figure.Split("class=\"attn\"").Length - 1);
        Assert.Equal(5 * 2, figure.Split("class=\"h-point\"").Length - 1);
        Along("1:3", "--out", Out).Failed(1, "holds a trace already", "--force");
        Along("1:3", "--out", Out, "--force").Done();
        Verb.Run("lens", "--model", random.Bundle, "--prompt", "abcd", "--out", Out, "--force").Failed(1, "something else than a lens");
        Verb.Run("view", run, "--figure", "trace", "--format", "svg").Failed(1, "is no directory of a trace: it has no trace.json");
    }

    [Theory, InlineData("--along 1:3 --features", "--features and --along contradict"),
        InlineData("--cosine 0.5", "--cosine goes with --along"),
        InlineData("--along 1:3 --scale own", "--scale and --along contradict"),
        InlineData("--along 1:3 --cosine 2", "--cosine cannot be '2'"),
        InlineData("--along 1:3 --cosine -1", "--cosine cannot be '-1'")]
    public void What_goes_not_together_is_refused(string options, string words) =>
        Verb.Run(["lens", "--model", random.Bundle, "--prompt", "abcd", .. options.Split(' ')]).Failed(2, words);

    [Theory, InlineData("1:99999", "is no feature"), InlineData("nothing", "or target, foil or metric"), InlineData("7:3", "has no site")]
    public void What_is_no_direction_is_said(string along, string words) => Along(along).Failed(1, words);

    private Verb Along(string along, params string[] options) =>
        Verb.Run(["lens", "--model", random.Bundle, "--prompt", "abcd", "--along", along, .. options]);

    private IReadOnlyList<TRow> Rows<TRow>() where TRow : ITableRow<TRow> =>
        TraceDirectory.Read<TRow>(Out, TestContext.Current.CancellationToken);
}
