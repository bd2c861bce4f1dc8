using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A run says how likely its target and foil are, though they be far below the likeliest tokens.</summary>
public sealed class TargetProbabilityTests : IDisposable
{
    private const string Prompt = "Copyright (C", Target = " the", Foil = "]";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Target_and_foil_have_the_probabilities_that_the_metric_prob_has()
    {
        Draw("run", "--metric", "logit-diff", "--target", Target, "--foil", Foil);
        var record = Record("run");
        Assert.DoesNotContain(record["top_tokens"]!.AsArray(), t => (string?)t!["token"] == Target);
        foreach (var (token, name) in new[] { (Target, "target"), (Foil, "foil") })
        {
            Draw(name, "--metric", "prob", "--target", token, "--no-page");
            var probability = (double)Record(name)["clean_metric"]!;
            Assert.InRange((double)record[$"{name}_probability"]! / probability, 1 - 1e-5, 1 + 1e-5);
            Assert.Equal((double)record[$"{name}_probability"]!, (double)Record(name)["target_probability"]!, 1e-9);
            Assert.Null(Record(name)["foil_probability"]);
        }
        Verb.Run("view", _directory["run"], "--format", "json", "--out", _directory["graph.json"]).Done();
        var output = JsonNode.Parse(File.ReadAllText(_directory["graph.json"]))!["nodes"]!.AsArray()
            .Single(n => (string?)n!["feature_type"] == "logit")!;
        Assert.Equal((double)record["target_probability"]!, (double)output["token_prob"]!, 1e-9);
        Assert.Contains("\"targetProbability\":", File.ReadAllText(Path.Combine(_directory["run"], "graph.html")));
    }

    [Fact]
    public void What_has_no_target_has_no_probability_of_it_and_an_ablation_has()
    {
        Draw("kl", "--metric", "kl", "--method", "ig", "--steps", "2", "--no-page");
        Assert.Null(Record("kl")["target_probability"]);
        Draw("logit", "--target", Target, "--no-page");
        Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", Prompt, "--target", Target, "--sites", "3.resid", "--out",
            _directory["ablated"], "--no-page").Done();
        Assert.Equal((double)Record("logit")["target_probability"]!, (double)Record("ablated")["target_probability"]!, 1e-6);
    }

    private void Draw(string run, params string[] options) =>
        Verb.Run(["graph", "--model", Repository.TinyModel, "--prompt", Prompt, "--out", _directory[run], "--sites", "resid", .. options])
            .Done();

    private JsonNode Record(string run) => JsonNode.Parse(File.ReadAllText(Path.Combine(_directory[run], "run.json")))!;
}
