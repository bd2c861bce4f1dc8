using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Prompts that begin with the BOS that is put before every prompt: one line on stderr says so, in every verb.</summary>
public sealed class TwiceBegunTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private const string Twice = "<|endoftext|>Hello", Fix = "with '<|endoftext|>' twice, since it stands in the text and is put before "
        + "every prompt; give --prepend-bos false, or take it out of the text\n";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void One_prompt_is_warned_of_and_read_as_it_is()
    {
        var verb = Verb.Run("graph", "--model", model.Bundle, "--prompt", Twice, "--prepend-bos", "true",
            "--out", _directory["run"], "--no-page");
        Assert.Equal((0, "warning: the prompt begins " + Fix), (verb.Code, verb.Error));
        Assert.Contains("0 '<|endoftext|>'  1 '<|endoftext|>'  2 'H'", verb.Output);
        var validated = Verb.Run("validate", _directory["run"], "--sample", "3");
        Assert.Equal((0, "warning: the run's prompt begins with '<|endoftext|>' twice, since it stands in the text and is put before every "
            + "prompt; make the run anew with --prepend-bos false, or with the text alone\n"),
            (validated.Code, validated.Error));
    }

    [Fact]
    public void Every_mode_of_ablate_warns()
    {
        string[] shared = ["ablate", "--model", model.Bundle, "--prompt", Twice, "--prepend-bos", "true"];
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "Hello", "--sites", "resid", "--aggregate", "sum",
            "--out", _directory["run"], "--no-page").Done();
        string[][] modes = [["--sites", "resid", "--out", _directory["a"], "--no-page"], ["--circuit", "0:1", "--controls", "0"],
            ["--up", "0:14", "--down", "1:2"],
            ["--faithfulness", _directory["run"], "--points", "2", "--controls", "0", "--errors", "keep"]];
        foreach (var mode in modes)
        {
            var verb = Verb.Run([.. shared, .. mode]);
            Assert.Equal((0, "warning: the prompt begins " + Fix), (verb.Code, verb.Error));
        }
    }

    [Fact]
    public void Of_many_prompts_one_line_tells()
    {
        File.WriteAllLines(_directory["p.jsonl"],
            ((string[])[Twice, "Hello", Twice]).Select((p, i) => new JsonObject { ["prompt"] = p, ["id"] = $"p{i}" }.ToJsonString()));
        string[] shared = ["--model", model.Bundle, "--prompts", _directory["p.jsonl"], "--prepend-bos", "true", "--sites", "resid",
            "--no-page", "--out"];
        Assert.Equal("warning: 2 prompts ('p0', 'p2') begin " + Fix, Verb.Run(["graph", .. shared, _directory["g"]]).Error);
        Assert.Equal("warning: 2 prompts ('p0', 'p2') begin " + Fix, Verb.Run(["ablate", .. shared, _directory["a"]]).Error);
        File.WriteAllText(_directory["p.jsonl"], """{"prompt": "Hello", "patch_prompt": "<|endoftext|>Jell"}""");
        Assert.StartsWith("warning: the prompt '1' begins with", Verb.Run(["graph", .. shared, _directory["one"]]).Error);
    }

    [Fact]
    public void Where_no_BOS_is_put_before_it_nothing_is_said() =>
        Verb.Run("graph", "--model", model.Bundle, "--prompt", Twice, "--prepend-bos", "false", "--out", _directory["run"], "--no-page")
            .Done();
}
