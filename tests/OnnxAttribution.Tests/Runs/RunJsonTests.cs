using System.Globalization;
using System.Text.Json;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Runs;

/// <summary>run.json of every kind of run: its keys, their order and what stands there. Times, memory, versions and places of the
/// machine are masked; figures agree to three digits, everything else to the letter.</summary>
public sealed class RunJsonTests : IDisposable
{
    private const string Masked = "(masked)";
    private static readonly string[] s_ofMachine =
    [
        "seconds", "timings", "peak_memory_bytes", "model_path", "device", "threads", "version", "onnxruntime_version", "command_line",
        "finished_at",
    ];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Of_graph_with_a_patch_prompt_validated_and_with_faithfulness()
    {
        Run("graph", "--prompt", "Copyright (C", "--patch-prompt", "Copyright [C", "--target", ")", "--foil", "]",
            "--metric", "logit-diff", "--sites", "resid", "--method", "ig", "--steps", "3", "--all");
        Verb.Run("validate", _directory["run"], "--sample", "6", "--compare", "gradient").Done();
        Verb.Run("ablate", "--model", Repository.TinyModel, "--faithfulness", _directory["run"], "--controls", "2", "--points", "3")
            .Done();
        IsGolden("patched", "run");
    }

    [Fact]
    public void Of_graph_summed_over_positions()
    {
        Run("graph", "--prompt", "Copyright (C", "--aggregate", "sum", "--sites", "resid,mlp", "--metric", "kl", "--method", "ig",
            "--steps", "2");
        IsGolden("summed", "run");
    }

    [Fact]
    public void Of_a_prompt_of_a_batch_and_of_the_batchs_mean()
    {
        File.WriteAllText(_directory["prompts.jsonl"],
            """
            {"prompt":"Copyright (C","target":")","id":"one"}
            {"prompt":"Copyright [C","target":"]","id":"two"}
            """);
        Run("graph", "--prompts", _directory["prompts.jsonl"], "--directories", "--sites", "resid", "--top-nodes", "40");
        IsGolden("one", "run/one");
        IsGolden("merged", "run/merged/mean");
    }

    [Fact]
    public void Of_ablate()
    {
        Run("ablate", "--prompt", "Copyright (C", "--target", ")", "--sites", "0.resid,1.resid,2.resid", "--top-edges", "5");
        IsGolden("ablation", "run");
    }

    private void Run(string verb, params string[] options) =>
        Verb.Run([verb, "--model", Repository.TinyModel, "--out", _directory["run"], "--no-page", .. options]).Done();

    private void IsGolden(string name, string run)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Path.Combine(_directory[run], "run.json")));
        string[] found = [.. Lines("", json.RootElement)];
        var golden = Path.Combine(Repository.Root, "tests", "OnnxAttribution.Tests", "Goldens", "run-json", name + ".txt");
        var written = Path.Combine(AppContext.BaseDirectory, $"run-json-{name}.txt");
        File.WriteAllText(written, string.Join('\n', found) + "\n");
        var expected = File.Exists(golden) ? File.ReadAllLines(golden) : [];
        var at = Enumerable.Range(0, Math.Max(found.Length, expected.Length))
            .FirstOrDefault(i => i >= found.Length || i >= expected.Length || !IsSame(expected[i], found[i]), -1);
        Assert.True(at < 0, $"""
            run.json differs from {golden} at line {at + 1}:
            - {expected.ElementAtOrDefault(at)}
            + {found.ElementAtOrDefault(at)}
            If that is meant:
                cp '{written}' '{golden}'
            """);
    }

    // a line per value: its path and the value as the file has it
    private static IEnumerable<string> Lines(string path, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => value.EnumerateObject().SelectMany(p => s_ofMachine.Contains(p.Name)
            ? [$"{path}{p.Name} = {Masked}"]
            : Lines($"{path}{p.Name}{(p.Value.ValueKind == JsonValueKind.Object ? "." : "")}", p.Value)),
        JsonValueKind.Array when value.GetArrayLength() > 0 => value.EnumerateArray()
            .SelectMany((v, i) => Lines($"{path}[{i}]{(v.ValueKind == JsonValueKind.Object ? "." : "")}", v)),
        _ => [$"{path} = {value.GetRawText()}"],
    };

    private static bool IsSame(string expected, string found)
    {
        if (expected == found) return true;
        var (a, b) = (expected.Split(" = ", 2), found.Split(" = ", 2));
        return a[0] == b[0] && (a[1] + b[1]).AsSpan().IndexOfAny(".E") >= 0 && Number(a[1]) is { } x && Number(b[1]) is { } y
            && Math.Abs(x - y) <= 1e-5 + (1e-3 * Math.Abs(x));
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null;
}
