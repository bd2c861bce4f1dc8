using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>verify</c>: numbers of PyTorch come out, and one that was changed is found.</summary>
public sealed class VerifyCommandTests : IDisposable
{
    private static readonly string s_known = Path.Combine(Repository.Root, "src", "OnnxAttribution", "Verification", "expected.json");
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void An_install_computes_what_pytorch_did_by_every_verb()
    {
        var json = JsonNode.Parse(Verb.Run("verify", "--model", Repository.TinyModel, "--json").Done().Output)!;
        var values = json["values"]!.AsArray();
        Assert.Equal((values.Count, 0, 0), ((int)json["passed"]!, (int)json["failed"]!, (int)json["differ"]!));
        Assert.All(values, v => Assert.Equal(("tiny", "passed"), ((string)v!["group"]!, (string)v["verdict"]!)));
        // what the program can do without a network or a person: all of it
        string[] verbs = [.. HelpVerbs().Except(["fetch", "completion", "verify"])];
        Assert.Equal(verbs.Order(), values.Select(v => ((string)v!["command"]!).Split(' ')[1]).Distinct().Order());
    }

    [Theory]
    [InlineData("graph", "clean_metric"), InlineData("nodes", "effect"), InlineData("set", "ablated_metric")]
    public void A_number_that_was_changed_is_found(string step, string property)
    {
        var numbers = JsonNode.Parse(File.ReadAllText(s_known))!;
        var value = numbers["groups"]![0]!["steps"]!.AsArray().Single(s => (string)s!["id"]! == step)!["values"]!.AsArray()
            .First(v => (v!["path"]!.AsArray()[^1] as JsonValue)?.ToString() == property)!;
        var right = (double)value["value"]!;
        value["value"] = right + (3 * (double)value["tolerance"]!);
        File.WriteAllText(_directory["changed.json"], numbers.ToJsonString());
        var verb = Verb.Run("verify", "--model", Repository.TinyModel, "--expected", _directory["changed.json"], "--only", $"tiny.{step}");
        Assert.Equal((1, ""), (verb.Code, verb.Error));
        Assert.Contains("FAILED", verb.Output);
        Assert.Contains($"tiny.{step}: onnx-attribution ", verb.Output);
        Assert.Contains(", 1 failed", verb.Output);
        // the steps that it reads are run before it, and no others
        Assert.DoesNotContain("sae check", verb.Output);
    }

    [Theory]
    [InlineData(0, null, "1 failed"), InlineData(null, 0, "0 failed, 1 differ that are reported only")]
    public void A_small_checkpoint_is_verified_as_gpt2_is(int? failing, int? reported, string words)
    {
        var checkpoint = Path.Combine(AppContext.BaseDirectory, "Goldens", "models", "random2");
        string[] asked = ["verify", "--checkpoint", checkpoint, "--dictionaries", Path.Combine(checkpoint, "dictionaries"), "--expected"];
        var golden = Path.Combine(AppContext.BaseDirectory, "Goldens", "verify-random2.json");
        Assert.Contains("12 passed, 0 failed;", Verb.Run([.. asked, golden]).Done().Output);
        var numbers = JsonNode.Parse(File.ReadAllText(golden))!;
        var group = numbers["groups"]![0]!;
        group["is_reported"] = reported is not null;
        group["steps"]![2]!["values"]![failing ?? reported!.Value]!["value"] = 0.9;
        File.WriteAllText(_directory["changed.json"], numbers.ToJsonString());
        var verb = Verb.Run([.. asked, _directory["changed.json"]]);
        Assert.Equal(failing is null ? 0 : 1, verb.Code);
        Assert.Contains(words, verb.Output);
    }

    [Fact]
    public void A_command_that_fails_or_lacks_a_value_misses_and_says_why()
    {
        File.WriteAllText(_directory["own.json"], """
            {"groups":[{"name":"mine","needs":["model"],"steps":[
              {"id":"none","source":"x","values":[],
               "command":["graph","--model","{model}","--prompt","a","--target","a b c","--out","{work}/g"]},
              {"id":"lacks","source":"x","command":["features","--model","{model}","--prompt","a","--json"],
               "values":[{"what":"a","path":["nothing",0],"value":1},{"what":"text","path":["tokens",1],"text":"a"},
                {"what":"least","path":["tokens","#"],"at_least":3},{"what":"most","path":["tokens","#"],"at_most":2}]}]}]}
            """);
        var verb = Verb.Run("verify", "--model", Repository.TinyModel, "--expected", _directory["own.json"], "--json");
        Assert.Equal(1, verb.Code);
        var values = JsonNode.Parse(verb.Output)!["values"]!.AsArray();
        Assert.Equal(["FAILED", "FAILED", "passed", "FAILED", "passed"], values.Select(v => (string)v!["verdict"]!));
        Assert.Contains("3 tokens", (string)values[0]!["why"]!);
        Assert.Equal("there is no nothing / 0", (string)values[1]!["why"]!);
    }

    [Fact]
    public void What_commands_wrote_is_kept_where_it_is_asked_for()
    {
        var place = _directory["kept"];
        string[] asked = ["verify", "--model", Repository.TinyModel, "--only", "tiny.nodes", "--keep", place];
        Verb.Run(asked).Done();
        Assert.Equal(["graph", "prompts.jsonl", "tiny"], Directory.GetFileSystemEntries(place).Select(Path.GetFileName).Order()!);
        Verb.Run(asked).Failed(1, place, "is not empty", "name a new folder");
    }

    [Fact]
    public void What_cannot_be_verified_is_told()
    {
        Verb.Run("verify", "--model", _directory["none"]).Failed(2, "is no bundle", "--checkpoint GPT-2's");
        Verb.Run("verify", "--model", Repository.TinyModel, "--only", "tiny.grap").Failed(1, "'tiny.grap'", "'tiny.graph'");
        Verb.Run("verify", "--model", Repository.TinyModel, "--only", "gpt2").Failed(1, "gpt2 needs a checkpoint");
        File.WriteAllText(_directory["needs.json"], Of("lens", "", "").Item1.Replace("\"needs\":[]", "\"needs\":[\"checkpoint\"]"));
        Verb.Run("verify", "--model", Repository.TinyModel, "--expected", _directory["needs.json"]).Failed(1, "a needs a checkpoint");
        // a step's name alone is that of a group that can be run
        Verb.Run("verify", "--model", Repository.TinyModel, "--only", "export").Done();
        Verb.Run("verify", "--model", "a", "--checkpoint", "b").Failed(2, "--model and --checkpoint");
        Verb.Run("verify", "--dictionaries", "b").Failed(2, "--dictionaries goes with --checkpoint");
        foreach (var (json, words) in ((string, string)[])[("{", "cannot be read"), ("""{"groups":[]}""", "it has no step"),
            ("""{"groups":[{"name":"a","needs":[],"files":{"../x":""},"steps":[{"id":"b","source":"","command":["c"],"values":[]}]}]}""",
                "'../x' is no name"), ("""{"groups":[null]}""", "a group is null"),
            ("""{"groups":[{"name":"a","needs":["modell"],"steps":[]}]}""", "'a' needs 'modell'"),
            ("""{"groups":[{"name":"a","needs":[null],"steps":[]}]}""", "'a' needs ''"),
            ("""{"groups":[{"name":"a","needs":[],"files":{"..":""},"steps":[]}]}""", "'..' is no name"),
            ("""{"groups":[{"name":"a","needs":[],"steps":[null]}]}""", "a step of 'a' is null"), Of("verify", "", "would verify itself"),
            Of("lens", "null", "a value of the step 'b' is null"), Of("lens", "5", "is not of the kind that it should be"),
            Of("lens", """{"what":"v","path":["value"]}""", "neither a text nor a number"),
            Of("lens", """{"what":"v","path":["value"],"text":"a","value":1}""", "or both"),
            Of("lens", """{"what":"v","path":[],"value":1}""", "has no path"),
            Of("lens", """{"what":"v","path":["a"],"value":1,"tolerance":-1}""", "a tolerance that is none"),
            Of("lens", """{"what":"v","path":["a"],"value":1e999}""", "")])
        {
            File.WriteAllText(_directory["bad.json"], json);
            Verb.Run("verify", "--model", Repository.TinyModel, "--expected", _directory["bad.json"])
                .Failed(1, _directory["bad.json"], words);
        }
        Verb.Run("verify", "--model", Repository.TinyModel, "--expected", _directory["missing.json"]).Failed(1, "missing.json");
    }

    private static (string, string) Of(string verb, string value, string words) =>
        ($$$"""
            {"groups":[{"name":"a","needs":[],"steps":[{"id":"b","source":"","command":["{{{verb}}}"],"values":[{{{value}}}]}]}]}
            """, words);

    private static IEnumerable<string> HelpVerbs() => Verb.Run("--help").Done().Output.Split('\n')
        .SkipWhile(line => line != "Prepare:").TakeWhile(line => line != "Options:")
        .Where(line => line.StartsWith("  ", StringComparison.Ordinal)).Select(line => line.Trim().Split(' ')[0]).Distinct();
}
