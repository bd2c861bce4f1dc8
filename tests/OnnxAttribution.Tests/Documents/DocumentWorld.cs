using System.IO.Compression;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Documents;

/// <summary>
/// The directory in which the documents' commands are run: <c>models/tiny</c>, the run that <c>make demo</c> makes, and small stand-ins
/// under the names that the guides give to what a user fetches. A command that several documents have is run once.
/// </summary>
public sealed class DocumentWorld : IDisposable
{
    /// <summary>The run that every document may use without making it.</summary>
    internal const string DemoRun = "runs/copyright";

    // options whose values are no paths, whatever they look like
    private static readonly string[] s_texts = ["--prompt", "--patch-prompt", "--target", "--foil", "--search"];

    private readonly TemporaryDirectory _directory = new();
    private readonly Dictionary<string, Verb> _done = [];

    public DocumentWorld()
    {
        CopyFolder(Repository.TinyModel, _directory["models/tiny"]);
        PrepareModels();
        PrepareTexts();
        string[] demo = ["--prompt", "Copyright (C", "--target", ")", "--edges", "exact", "--out", _directory[DemoRun]];
        Verb.Run(["graph", "--model", _directory["models/tiny"], .. demo, "--no-page"]).Done();
    }

    public void Dispose() => _directory.Dispose();

    /// <summary>Where a path of the documents' directory really lies.</summary>
    internal string PathOf(string path) => _directory[path];

    /// <summary>Runs a command of <c>onnx-attribution</c>, or an example, unless it was run before and what it wrote is there.</summary>
    internal Verb Run(DocumentCommand command)
    {
        if (_done.TryGetValue(command.Text, out var known)) return known;
        var words = command.Words.Skip(1).ToList();
        if (Out(words) is { } written) ForgetRun(written, isForced: words.Any(w => w.Text == "--force"));
        var example = ExampleProgram.Of(command);
        var verb = example is null ? Verb.Run([.. Arguments(words)]) : ExampleProgram.Run(example, Arguments(words[4..]));
        return _done[command.Text] = verb with { Output = Relative(verb.Output), Error = Relative(verb.Error) };
    }

    /// <summary>The value of <c>--out</c>; null without.</summary>
    internal static string? Out(IReadOnlyList<ShellWord> words) =>
        words.Zip(words.Skip(1)).Where(p => p.First.Text == "--out").Select(p => p.Second.Text).FirstOrDefault();

    private void ForgetRun(string written, bool isForced)
    {
        foreach (var text in _done.Keys.Where(t => t.Contains(written, StringComparison.Ordinal)).ToList()) _done.Remove(text);
        if (isForced) return;
        if (Directory.Exists(_directory[written])) Directory.Delete(_directory[written], recursive: true);
        File.Delete(_directory[written]);
    }

    private IEnumerable<string> Arguments(List<ShellWord> words)
    {
        var isStandIn = words.Zip(words.Skip(1)).Any(p => p.First.Text == "--model"
            && p.Second.Text is not ("models/tiny" or "models/labelled"));
        foreach (var (i, word) in words.Index())
        {
            var option = i == 0 ? "" : words[i - 1].Text;
            if (s_texts.Contains(option))
            {
                yield return isStandIn ? StandIn(option, word.Text) : word.Text;
            }
            else if (word.Contains('*') && !word.IsQuoted)
            {
                foreach (var path in Matches(word.Text)) yield return path;
            }
            else
            {
                yield return IsPath(word.Text, option) ? _directory[word.Text] : word.Text;
            }
        }
    }

    // the stand-ins' vocabulary is bytes
    private static string StandIn(string option, string text) => option switch
    {
        "--target" => "a",
        "--foil" => "i",
        _ => text[..4],
    };

    private bool IsPath(string word, string option) =>
        option == "--out" || (word.Length > 0 && !word.StartsWith('/') && Path.Exists(_directory[word.Split('/')[0]]));

    // as a shell would: names in their order
    private IEnumerable<string> Matches(string pattern)
    {
        var at = pattern.LastIndexOf('/');
        return Directory.GetFileSystemEntries(_directory[pattern[..at]], pattern[(at + 1)..]).Order(StringComparer.Ordinal);
    }

    private string Relative(string text) =>
        text.Replace(_directory.Path + Path.DirectorySeparatorChar, "", StringComparison.Ordinal).ReplaceLineEndings("\n");

    // as scripts and users leave them: a GPT-2 with its dictionaries inside, others in folders of their own, graphs of PyTorch's
    // and optimum's with sites.json beside them
    private void PrepareModels()
    {
        Random2.Copy(_directory["gpt2"], withDictionaries: true);
        RandomModels.Rewrite("neox2", _directory["pythia-70m-deduped"]);
        var width = (int)RandomModels.Config("neox2")["hidden_size"]!;
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width, features: 20, seed: 1).Write(_directory["pythia-dictionaries/one"]);
        DictionaryFiles.Random("blocks.0.hook_resid_mid", width: 16, features: 20, seed: 2).Write(_directory["openai-v5/some/where"]);
        DictionaryFiles.Random("blocks.1.attn.hook_z", width: 16, features: 20, seed: 3).Write(_directory["mine/z"]);
        var withTranscoders = Path.Combine(Attribution.GoldenCase.Root, "models", "random3");
        CopyFolder(withTranscoders, _directory["llama-3.2-1b"]);
        CopyFolder(Path.Combine(withTranscoders, "transcoders", "transcoders-plt"), _directory["transcoder-llama"]);
        foreach (var (folder, name) in ((string, string)[])[("exported", "gpt2-17"), ("llama-onnx", "fp16-llama")])
        {
            using var foreign = new ForeignModel(name);
            foreign.Write();
            CopyFolder(foreign.Source, _directory[folder]);
        }
    }

    private void PrepareTexts()
    {
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"id": "round", "prompt": "Copyright (C", "target": ")", "foil": "]", "patch_prompt": "Copyright [C"}
            {"id": "square", "prompt": "Copyright [C", "target": "]", "foil": ")", "patch_prompt": "Copyright (C"}
            """);
        File.WriteAllText(_directory["labels.jsonl"], """
            {"site": "3", "feature": 263, "label": "inside a bracket that waits for its end", "source": "me"}
            {"site": "1", "feature": 414, "label": "an open bracket", "source": "me"}
            """);
        // as the guide shows it, which the page would not have saved of this run's moment and place
        var shown = Document.Read("docs/guides/pictures.md").Blocks.Single(b => b.Language == "json").Lines;
        File.WriteAllText(_directory["subgraph.json"],
            string.Join('\n', shown).Replace(", \"finished_at\": \"2026-01-31T12:00:00Z\"", "", StringComparison.Ordinal)
                .Replace("/home/you/", "", StringComparison.Ordinal));
        using var file = new GZipStream(File.Create(_directory["corpus.txt.gz"]), CompressionLevel.Fastest);
        file.Write(File.ReadAllBytes(Path.Combine(Repository.Root, "LICENSE")).AsSpan(0, 6000));
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
