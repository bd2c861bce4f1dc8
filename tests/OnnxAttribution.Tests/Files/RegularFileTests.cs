using System.Diagnostics;
using System.IO.Pipes;
using System.Text.RegularExpressions;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;
using OnnxAttribution.Tests.Architecture;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Tokenizers;

namespace OnnxAttribution.Tests.Files;

/// <summary>Where a file is expected, a pipe that nobody writes to,
/// a device or a directory is refused in one line that names it, and never waited for.</summary>
public sealed class RegularFileTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("bundle.json"), InlineData("config.json"), InlineData("vocab.json"), InlineData("merges.txt"), InlineData("model.onnx"),
        InlineData("model.safetensors")]
    [InlineData("dictionaries/blocks.0.hook_mlp_out/cfg.json"), InlineData("dictionaries/blocks.0.hook_mlp_out/sae_weights.safetensors")]
    public async Task A_pipe_in_a_bundle_is_refused(string name)
    {
        var bundle = Copied(model.Bundle);
        Pipe(Path.Combine(bundle, name));
        await Refused(Path.GetFileName(name), "graph", "--model", bundle, "--prompt", "abc", "--out", _directory["run"]);
    }

    [Theory]
    [InlineData("config.json"), InlineData("vocab.json"), InlineData("merges.txt"), InlineData("model.safetensors"),
        InlineData("tokenizer.json")]
    [InlineData("dictionaries/blocks.0.hook_mlp_out/cfg.json"), InlineData("dictionaries/blocks.0.hook_mlp_out/sae_weights.safetensors")]
    public async Task A_pipe_in_a_checkpoint_is_refused(string name)
    {
        var checkpoint = Copied(Random2Fixture.Checkpoint);
        if (name == "tokenizer.json") File.WriteAllText(Path.Combine(checkpoint, name), SmallTokenizers.Json("llama2"));
        Pipe(Path.Combine(checkpoint, name));
        await Refused(Path.GetFileName(name), "export", "--checkpoint", checkpoint, "--out", _directory["bundle"]);
        Assert.False(Directory.Exists(_directory["bundle"]));
    }

    [Theory]
    [InlineData("run.json"), InlineData("nodes.parquet"), InlineData("edges.parquet")]
    public async Task A_pipe_in_a_run_is_refused(string name)
    {
        var run = _directory["run"];
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "abc", "--out", run).Done();
        Pipe(Path.Combine(run, name));
        await Refused(name, "view", run, "--out", _directory["graph.svg"]);
        await Refused(name, "query", run, "SELECT count(*) FROM nodes, edges");
        await Refused(name, "validate", run, "--sample", "2");
    }

    [Fact]
    public async Task A_pipe_that_an_option_names_is_refused()
    {
        var pipe = _directory["pipe"];
        Pipe(pipe);
        string[] options = ["--model", model.Bundle, "--out", _directory["out"]];
        await Refused(pipe, ["graph", "--prompts", pipe, .. options]);
        await Refused(pipe, "features", "--text", pipe, "--model", model.Bundle);
        await Refused(pipe, "ablate", "--prompt", "abc", "--circuit", pipe, "--model", model.Bundle);
        await Refused(pipe, "export", "--onnx", Path.Combine(model.Bundle, "model.onnx"), "--sites", pipe, "--out", _directory["out"]);
        File.WriteAllText(_directory["sites.json"], """{"sites": {"blocks.0.hook_resid_pre": "x"}}""");
        await Refused(pipe, "export", "--onnx", pipe, "--sites", _directory["sites.json"], "--out", _directory["out"]);
    }

    [Fact]
    public void Devices_and_directories_are_refused_by_what_they_are()
    {
        Verb.Run("graph", "--prompts", "/dev/zero", "--model", model.Bundle, "--out", _directory["out"])
            .Failed(1, "/dev/zero", "it is a device");
        Verb.Run("graph", "--prompts", _directory.Path, "--model", model.Bundle, "--out", _directory["out"])
            .Failed(1, _directory.Path, "it is a directory");
        Assert.Contains("it is a device", Assert.Throws<CheckpointException>(() => SafetensorsFile.Open("/dev/null")).Message);
    }

    [Fact]
    public void A_file_where_a_directory_is_expected_is_told_as_one()
    {
        var file = _directory["file"];
        File.WriteAllText(file, "");
        Verb.Run("graph", "--model", file, "--prompt", "abc", "--out", _directory["out"]).Failed(1, $"{file} is a file", "directory");
        Verb.Run("export", "--checkpoint", file, "--out", _directory["out"]).Failed(1, $"{file}: is a file", "directory");
        foreach (var verb in (string[][])[["view", file], ["validate", file]]) Verb.Run(verb).Failed(1, $"{file} is a file", "directory");
    }

    /// <summary>What a shell's <c>&lt;(command)</c> becomes.</summary>
    [Fact]
    public void A_pipe_that_was_given_open_is_read()
    {
        var server = new AnonymousPipeServerStream(PipeDirection.Out);
        var given = $"/dev/fd/{server.GetClientHandleAsString()}";
        server.Write("one\ntwo"u8);
        Assert.Throws<NotAFileException>(() => RegularFile.OpenRead(given));
        using var stream = RegularFile.OpenReadOrGiven(given);
        server.Dispose();
        Assert.Equal("one\ntwo", new StreamReader(stream).ReadToEnd());
    }

    [Fact]
    public void Every_reader_opens_through_it()
    {
        var openers =
            new Regex(
                @"(?<!\w)File\.(OpenRead|OpenText|OpenHandle|ReadAll\w+|ReadLines\w*|Open)\([^;]*|new FileStream\([^;]*|"
                + @"\.Open(Read|Text)\(\)[^;]*|new StreamReader\(\w*[pP]ath\b[^;]*");
        var wrong = SourceTree.Files("src")
            .Where(f => !f.Path.Contains("/Files/"))
            .SelectMany(f => openers.Matches(f.Code).Select(m => $"{f.Path}: {m.Value}"))
            .Where(found => !found.Contains("/proc/self/status")).ToList();   // the kernel's own
        Assert.Empty(wrong);
    }

    private static async Task Refused(string name, params string[] verb) =>
        await Patience.Of(() => Verb.Run(verb).Failed(1, name, "it is a pipe, not a file; give a file"),
            $"{verb[0]} with a pipe as {name}");

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

    private static void Pipe(string path)
    {
        File.Delete(path);
        using var made = Process.Start("mkfifo", [path]);
        Assert.Equal(0, Patience.ExitOf(made));
    }
}
