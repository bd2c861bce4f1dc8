using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Checkpoints.Formats;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Tokenizers;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Files;

/// <summary>Whatever is wrong with a file, its reader says so in an exception of ours,
/// in one line with the place and without a word of .NET's own. Damages come from seeds, so a failure can be run again.</summary>
public sealed class DamagedFileTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private static readonly string[] s_words =
    [
        "Index was outside", "Index was out of range", "Object reference", "Specified argument", "could not be converted", "Parameter '",
        "Arithmetic operation", "Unable to cast", "Sequence contains", "Value cannot be null", "The given key", "System.",
        "Exception of type", "requires an element of type", "Nullable object", "An item with the same key", "Input string",
        "BytePositionInLine", "LineNumber", "JsonElement", "Non-negative number", "JSON deserialization", "Cannot read incomplete UTF-16",
        "invalid start of", "Unable to read beyond", "Array dimensions", "Operation is not valid", "Value was either too large",
        "Offset and length were",
    ];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("bundle.json", 150), InlineData("vocab.json", 50), InlineData("merges.txt", 60),
        InlineData("dictionaries/blocks.0.hook_mlp_out/cfg.json", 100),
        InlineData("dictionaries/blocks.0.hook_mlp_out/sae_weights.safetensors", 100)]
    public void Of_a_bundle(string file, int times)
    {
        var copy = Copied(model.Bundle);
        Damaged(copy, file, times, () =>
        {
            var bundle = ModelBundle.Open(copy);
            foreach (var site in bundle.Sites) bundle.OpenDictionary(site)?.Dispose();
            Tokenizer.Open(copy);
            bundle.WithoutInterventions(1);
        });
    }

    [Theory]
    [InlineData("random2"), InlineData("llama2"), InlineData("neox2"), InlineData("qwen2"), InlineData("mistral"), InlineData("qwen3"),
        InlineData("gemma2"), InlineData("gemma3"), InlineData("gpt-neo"), InlineData("olmo2"), InlineData("opt"), InlineData("phi")]
    public void Of_a_checkpoint(string name)
    {
        var copy = Copied(Tests.Export.RandomModels.Checkpoint(name));
        void Open()
        {
            var architecture = Architectures.Read(copy);
            using var checkpoint = Checkpoint.Open(copy, architecture.Layout);
        }
        Damaged(copy, "config.json", 120, Open);
        Damaged(copy, "model.safetensors", 60, Open);
    }

    [Fact]
    public void Of_a_tokenizer()
    {
        foreach (var name in SmallTokenizers.Names)
        {
            var copy = Directory.CreateDirectory(_directory[name]).FullName;
            File.WriteAllText(Path.Combine(copy, "tokenizer.json"), SmallTokenizers.Json(name));
            Damaged(copy, "tokenizer.json", 25, () =>
            {
                var tokenizer = Tokenizer.Open(copy);
                tokenizer.Encode("the cat 12\u0301 <s>");
            });
        }
        var configured = Directory.CreateDirectory(_directory["configured"]).FullName;
        File.WriteAllText(Path.Combine(configured, "tokenizer.json"), SmallTokenizers.Json("llama2"));
        File.WriteAllText(Path.Combine(configured, "tokenizer_config.json"),
            """{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "add_bos_token": true}""");
        Damaged(configured, "tokenizer_config.json", 50, () => Tokenizer.Open(configured));
    }

    [Fact]
    public void Of_a_dictionary_of_any_project()
    {
        foreach (var source in FormatFiles.Sources)
        {
            var at = Directory.CreateDirectory(_directory[$"d{source.GetHashCode():x}"]).FullName;
            FormatFiles.Copy(source, at);
            foreach (var file in Directory.GetFiles(at, "*", SearchOption.AllDirectories))
            {
                Damaged(at, Path.GetRelativePath(at, file), 25, () =>
                {
                    foreach (var dictionary in DictionaryFinder.FindAll(at)) dictionary.Dispose();
                });
            }
        }
    }

    [Fact]
    public void Of_prompts_circuits_and_sites()
    {
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"Copyright (C\", \"target\": \")\", \"id\": \"a\"}\n{\"prompt\": "
            + "\"é 日本\", \"patch_prompt\": \"x y\", \"foil\": \" b\", \"id\": 3}\n");
        Damaged(_directory.Path, "p.jsonl", 200, () =>
        {
            foreach (var (_, _, error) in PromptFile.Read(_directory["p.jsonl"])) Said(error, null);
        });
        File.Copy(Path.Combine(Repository.Root, "templates", "tiny.yaml"), _directory["t.yaml"]);
        var tokenizer = Tokenizer.Open(Repository.TinyModel);
        Damaged(_directory.Path, "t.yaml", 600, () =>
            TemplateTokens.Check(PromptFile.Read(_directory["t.yaml"]).Select(l => l.Task), tokenizer));
        File.WriteAllText(_directory["sites.json"],
            """{"sites": {"blocks.0.hook_resid_pre": "x", "blocks.0.hook_mlp_out": "y", "blocks.0.hook_resid_post": "z"},"""
            + """ "hooks": {"blocks.0.attn.hook_pattern": "p"}, "tokens": "t", "logits": "l", "n_layers": 1, "n_heads": 2, "n_ctx": 8,"""
            + """ "prepend_bos": true}""");
        Damaged(_directory.Path, "sites.json", 150, () => SiteMap.Read(_directory["sites.json"]));
        using var loaded = LoadedModel.Open(model.Bundle, null, new RunContext(threads: 1));
        File.WriteAllText(_directory["circuit.txt"], "# a remark\n0.mlp:1,2@3;1:3\nblocks.1.hook_attn_out:0\n");
        Damaged(_directory.Path, "circuit.txt", 100, () => CircuitSource.Open(_directory["circuit.txt"]).Circuit(loaded));
    }

    private string Copied(string from)
    {
        var to = _directory["copy"];
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        return to;
    }

    private static void Damaged(string folder, string file, int times, Action read)
    {
        var path = Path.Combine(folder, file);
        var whole = File.ReadAllBytes(path);
        read();   // whole, it is read
        var wrong = new List<string>();
        for (var seed = 0; seed < times; seed++)
        {
            var damaged = DamagedFile.Of(whole, seed);
            File.WriteAllBytes(path, damaged);
            try
            {
                read();
            }
            catch (Exception e)
            {
                var fault = e.GetType().Namespace?.StartsWith("OnnxAttribution", StringComparison.Ordinal) == true
                    ? Fault(e.Message, folder)
                    : "not an exception of ours";
                if (fault is not null)
                {
                    wrong.Add($"{file}, seed {seed}: {fault}: {e.GetType().Name}: {e.Message} "
                        + (fault.StartsWith("not", StringComparison.Ordinal)
                            ? e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("OnnxAttribution"))
                            : ""));
                }
            }
        }
        File.WriteAllBytes(path, whole);
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {times}:\n{string.Join('\n', wrong.Take(12))}");
    }

    private static void Said(string? message, string? place)
    {
        if (message is not null) Assert.Null(Fault(message, place));
    }

    private static string? Fault(string message, string? place) =>
        s_words.FirstOrDefault(w => message.Contains(w, StringComparison.Ordinal)) is { } word ? $"'{word}'"
        : message.Contains('\n') ? "several lines"
        : place is not null && !message.Contains(place, StringComparison.Ordinal) ? "no place" : null;
}
