using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Runs;

/// <summary>A run.json whose values cannot be run again:
/// one line names the file and the key, whatever verb reads it, and no option.</summary>
public sealed class RecordedValuesTests(RecordedValuesTests.RunOfRandom2 made)
    : IClassFixture<RecordedValuesTests.RunOfRandom2>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string RunJson => Path.Combine(_directory["run"], "run.json");

    /// <summary>Key, value as JSON, and what is said of it.</summary>
    public static TheoryData<string, string, string> OfPrompts => new()
    {
        { "position", "99", "'position' is 99, and the prompt's tokens are 0 to 5" },
        { "position", "-1", "'position' is -1" },
        { "tokens", "[]", "'tokens' is empty" },
        { "tokens", "[1, 2]", "'position' is 5, and the prompt's tokens are 0 to 1" },
        { "tokens", "[1, 2, 3, 4, 5, -6]", "'tokens' holds -6, and the model's token ids are 0 to 256" },
        { "patch_tokens", "[1, 2]", "'patch_tokens' are 2, and 'tokens' 6" },
        { "patch_tokens", "[1, 2, 3, 4, 5, 999]", "'patch_tokens' holds 999" },
        { "target_id", "100000", "'target_id' holds 100000" },
        { "foil_id", "-2", "'foil_id' holds -2" },
        { "metric", "\"x\"", "'metric' is 'x' where one of logit, logit-diff, logprob, loss, prob, kl belongs" },
        { "sites", """["a"]""", "'sites' holds 'a', and" },
        { "prompt", "\"\\ud800\"", "'prompt' is not valid Unicode" },
        { "token_strings", """["a", "\udfff"]""", "'token_strings[1]' is not valid Unicode" },
        { "mine", """{"deep": ["\ud800x"]}""", "'mine.deep[0]' is not valid Unicode" },
    };

    [Theory, MemberData(nameof(OfPrompts))]
    public void What_a_prompt_cannot_be_is_named_by_every_verb_that_runs_it_again(string key, string json, string words)
    {
        foreach (var verb in Verbs(key, json))
        {
            var line = Verb.Run(verb).Failed(ExitCodes.Failed, RunJson, words, "Write the run again").Error;
            Assert.DoesNotContain("(--", line);
        }
        Assert.Equal(3, Directory.EnumerateFiles(_directory["run"]).Count());
    }

    [Theory]
    [InlineData("options.method", "\"7\""), InlineData("options.method", "\"ATP\""), InlineData("options.estimator", "\"9\"")]
    [InlineData("options.steps", "0"), InlineData("options.aggregate", "null"), InlineData("sites", "[]"), InlineData("metric", "null")]
    public void What_no_graph_was_asked_for_is_named_by_validate(string key, string json)
    {
        Changed(key, json);
        Verb.Run("validate", _directory["run"]).Failed(1, $"the run.json of {_directory["run"]} has no usable '{key}'", "draw the graph");
    }

    [Fact]
    public void A_missing_metric_is_asked_for_before_anything_is_computed()
    {
        Changed("metric", "null");
        Verb.Run("ablate", "--faithfulness", _directory["run"], "--points", "2000000000")
            .Failed(1, $"the run.json of {_directory["run"]} has no 'metric'", "(--metric)");
        Verb.Run("ablate", "--faithfulness", _directory["run"], "--points", "2", "--controls", "1", "--metric", "prob").Done();
    }

    [Theory, InlineData("\"abc\""), InlineData("\"\""), InlineData("\"0123456789abcdef\"")]
    public void Another_models_hash_is_shown_however_long_it_is(string json)
    {
        Changed("bundle_sha256", json);
        foreach (var mode in (string[])["--circuit", "--faithfulness"])
        {
            var shown = json.Length > 9 ? "bundle 01234567…" : $"bundle '{json.Trim('"')}'";
            Verb.Run("ablate", mode, _directory["run"]).Failed(1, "another model", shown, "(--model)");
        }
    }

    [Theory, InlineData("null"), InlineData("[]"), InlineData("""["a", "b"]""")]
    public void Without_its_tokens_texts_a_run_is_validated_and_positions_stand_alone(string json)
    {
        Changed("token_strings", json);
        Assert.Matches(@"\d:\d+@5 *│", Verb.Run("validate", _directory["run"], "--all").Done().Output);
    }

    [Fact]
    public void Numbers_that_are_infinite_where_they_are_read_are_refused()
    {
        foreach (var (key, json) in new[] { ("options.node_threshold", "1e999"), ("options.edge_threshold", "-1e39"), ("seconds", "1e999"),
            ("timings.open", "-1e999") })
        {
            Changed(key, json);
            foreach (var verb in (string[][])[["view", _directory["run"]], ["query", _directory["run"], "FROM runs"]])
            {
                Verb.Run(verb).Failed(1, RunJson, $"'{key}' is a number that is too large");
            }
        }
    }

    private string[][] Verbs(string key, string json)
    {
        Changed(key, json);
        var run = _directory["run"];
        return [["validate", run], ["ablate", "--circuit", run], ["ablate", "--faithfulness", run]];
    }

    // as text: no writer of JSON writes what it cannot read
    private void Changed(string key, string json)
    {
        Directory.CreateDirectory(_directory["run"]);
        foreach (var file in Directory.GetFiles(made.Run)) File.Copy(file, Path.Combine(_directory["run"], Path.GetFileName(file)), true);
        var facts = JsonNode.Parse(File.ReadAllText(RunJson))!;
        var (above, name) = key.Split('.') is [var outer, var inner] ? (facts[outer]!, inner) : (facts, key);
        above[name] = "THE VALUE";
        File.WriteAllText(RunJson, facts.ToJsonString().Replace("\"THE VALUE\"", json));
    }

    /// <summary>A graph with a patch prompt, made once.</summary>
    public sealed class RunOfRandom2 : IDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly Random2Fixture _model = new();

        public RunOfRandom2() => Verb.Run("graph", "--model", _model.Bundle, "--prompt", "Hello", "--patch-prompt", "World", "--metric",
            "logit-diff", "--sites", "resid", "--top-nodes", "3", "--no-page", "--out", Run).Done();

        internal string Run => _directory["run"];

        public void Dispose()
        {
            _model.Dispose();
            _directory.Dispose();
        }
    }
}
