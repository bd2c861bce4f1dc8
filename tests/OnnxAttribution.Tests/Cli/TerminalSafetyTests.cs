using System.Text.Json.Nodes;
using System.Xml.Linq;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Cli;

/// <summary>A bundle whose tokens, names, prompts and texts would steer a terminal, through every verb:
/// nothing of them comes out as it is.</summary>
public sealed class TerminalSafetyTests : IClassFixture<TerminalSafetyTests.HostileBundle>, IDisposable
{
    private readonly HostileBundle _bundle;
    private readonly TemporaryDirectory _directory = new();

    public TerminalSafetyTests(HostileBundle bundle) => _bundle = bundle;

    public void Dispose() => _directory.Dispose();

    private string Run => _directory["run\u001b[1m\u202e"];

    [Fact]
    public void A_graph_and_all_that_is_made_of_it_show_tokens_escaped()
    {
        Assert.Contains(@"'\u001B[31m'", Done("graph", "--model", _bundle.Path, "--prompt", HostileBundle.Prompt, "--target", "\u202eab",
            "--prepend-bos", "true", "--out", Run).Output);
        Done("validate", Run, "--sample", "3");
        Done("ablate", "--faithfulness", Run, "--controls", "1", "--points", "2");
        foreach (var format in (string[])["html", "svg", "dot", "json", "graphml"])
        {
            Done("view", Run, "--format", format, "--out", _directory["drawn." + format]);
        }
        foreach (var figure in (string[])["effects", "validation", "faithfulness"])
        {
            Done("view", Run, "--figure", figure, "--out", _directory[figure + ".svg"]);
        }
        foreach (var xml in Directory.GetFiles(_directory.Path, "*.svg").Append(_directory["drawn.graphml"])) XDocument.Load(xml);
        Assert.NotNull(JsonNode.Parse(File.ReadAllText(_directory["drawn.json"])));
    }

    [Fact]
    public void Rows_of_a_query_are_escaped_as_tables_csv_and_json()
    {
        Done("graph", "--model", _bundle.Path, "--prompt", HostileBundle.Prompt, "--out", Run);
        foreach (var format in (string[])["table", "csv", "json"])
        {
            var output = Done("query", Run, "SELECT token AS \"\u001b[2J\", chr(8238) || token AS b FROM nodes", "--format", format).Output;
            Assert.Contains(@"\u202E", output);
            if (format == "json") Assert.Contains(JsonNode.Parse(output)!.AsArray(), row => (string)row!["b"]! == "\u202e\u202eab");
        }
        Done("query", Run, "EXPLAIN SELECT * FROM nodes WHERE token = '\u001b[31m'");
        Failed("query", Run, "SELECT \"\u001b[31m\u202e\" FROM nodes");
    }

    [Fact]
    public void Batches_circuits_and_curves_show_tokens_escaped()
    {
        var prompts = _directory["prompts\u001b[1m\u202e.jsonl"];
        File.WriteAllLines(prompts, HostileBundle.Tokens.Select((t, i) => new JsonObject
        {
            ["prompt"] = $"the {t} cat {t}",
            ["target"] = t,
            ["id"] = $"p{i}"
        }.ToJsonString()));
        Done("graph", "--model", _bundle.Path, "--prompts", prompts, "--directories", "--out", Run);
        Done("graph", "--model", _bundle.Path, "--prompts", prompts, "--out", _directory["dataset"]);
        Done("ablate", "--model", _bundle.Path, "--prompt", HostileBundle.Prompt, "--sites", "resid", "--out", _directory["ablated"]);
        Done("ablate", "--model", _bundle.Path, "--prompt", HostileBundle.Prompt, "--circuit", "blocks.1.hook_resid_pre:1");
        Done("ablate", "--model", _bundle.Path, "--prompt", HostileBundle.Prompt, "--up", "blocks.1.hook_resid_pre:1",
            "--down", "blocks.1.hook_resid_post:1");
        File.AppendAllText(prompts,
            "{\"prompt\": \"\u001b\"}\n{\"prompt\": \"a\", \"\u202e\u001b[1m\": 1}\n{\"prompt\": \"a\", \"id\": \"\u202e\"}\n{\u009b}\n");
        Seen("graph", "--model", _bundle.Path, "--prompts", prompts, "--directories", "--out", Run, "--force");
        Seen("graph", "--model", _bundle.Path, "--prompts", prompts, "--out", _directory["with-faults"]);
    }

    [Fact]
    public void Dashboards_and_checks_of_dictionaries_show_texts_escaped()
    {
        File.WriteAllText(_directory["text\u001b[1m.txt"],
            string.Join('\n', Enumerable.Repeat($"the cat {string.Concat(HostileBundle.Tokens)}", 40)));
        Done("features", "--model", _bundle.Path, "--text", _directory["text\u001b[1m.txt"], "--window", "3");
        for (var feature = 0; feature < 8; feature++)
        {
            Done("features", "--model", _bundle.Path, "--show", $"blocks.1.hook_resid_pre:{feature}");
        }
        Assert.Contains(@"\u202Eab", Done("features", "--model", _bundle.Path, "--search", "\u202eab").Output);
        Seen("sae", "check", "--model", _bundle.Path, "--text", _directory["text\u001b[1m.txt"]);
    }

    [Fact]
    public void Messages_and_stack_traces_show_names_escaped()
    {
        string[] graph = ["graph", "--model", _bundle.Path, "--out", Run, "--verbose"];
        Failed([.. graph, "--prompt", "the", "--target", "\u001b[31m\u202eab"]);
        Failed([.. graph, "--prompt", "the", "--patch-prompt", HostileBundle.Prompt]);
        Failed([.. graph, "--prompt", "the", "--sites", "\u001b[31m"]);
        Failed("graph", "--model", "no\u001b[31m\u202e", "--prompt", "the", "--out", Run);
        Failed("graph\u001b[31m");
        var checkpoint = Directory.CreateDirectory(_directory["ck\u001b[31m"]).FullName;
        Failed("export", "--checkpoint", checkpoint, "--out", _directory["out"]);
        File.WriteAllText(Path.Combine(checkpoint, "config.json"), "{\"model_type\": \"\\u001b[31m\\u202e\"}");
        Failed("export", "--checkpoint", checkpoint, "--out", _directory["out"]);
        File.WriteAllText(Path.Combine(checkpoint, "config.json"), "{\"model_type\": \"llama\", \"\u202e\u001b\": ");
        Failed("export", "--checkpoint", checkpoint, "--out", _directory["out"]);
    }

    private static Verb Done(params string[] args)
    {
        var verb = Seen(args);
        Assert.True(verb.Code == 0, verb.Error);
        return verb;
    }

    private static void Failed(params string[] args) => Assert.NotEqual(0, Seen(args).Code);

    // in this process, whose output is read as a terminal's is: another program gets the bytes of csv and json as they are
    private static Verb Seen(params string[] args)
    {
        var verb = Verb.RunHere(CancellationToken.None, args);
        Assert.Equal(DisplayText.Lines(verb.Output), verb.Output);
        Assert.Equal(DisplayText.Lines(verb.Error), verb.Error);
        return verb;
    }

    /// <summary>A model of Llama's type whose tokenizer has tokens that no terminal should see.</summary>
    public sealed class HostileBundle : IDisposable
    {
        private readonly TemporaryDirectory _directory = new();

        public HostileBundle()
        {
            string[] vocabulary = ["<unk>", "<s>", "\u2581", "t", "h", "e", "c", "a", "th", .. Tokens];
            var checkpoint = new SentencePieceCheckpoint(vocabulary, ["t h"], ["<unk>", "<s>", .. Tokens])
            {
                Configuration = """{"bos_token":"<s>","eos_token":"<s>"}"""
            }.Write(_directory["model\u001b[1m\u202e"]);
            var exported = Seen("export", "--checkpoint", checkpoint, "--out", Path);
            Assert.True(exported.Code == 0, exported.Error);
        }

        public static string[] Tokens { get; } =
            ["\u001b[31m", "\u202eab", "\u2066", "\u2069", "\u200f", "\u061c", "\ufeff", "\u2028", "\u0085", "\u009b2J", "\uffff", "\ufdd0",
                "\U000e0041", "\u0007", "\r"];

        public static string Prompt { get; } = "the" + string.Concat(Tokens);

        public string Path => _directory["bundle\u001b[1m\u202e"];

        public void Dispose() => _directory.Dispose();
    }
}
