using System.Text.RegularExpressions;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The commands of the README's section on bringing a model, in their order, with small models under the names that it uses.</summary>
public sealed partial class ReadmeModelsTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void Every_command_of_bringing_a_model_works()
    {
        Prepare();
        var ran = new HashSet<string>();
        foreach (var line in Commands())
        {
            string[] words = [.. Words().Matches(line).Select(m => m.Value.Trim('"')).Skip(1)];
            var verb = Verb.Run([.. Enumerable.Range(0, words.Length).Select(i => Here(words[i], i == 0 ? "" : words[i - 1]))]);
            Assert.True(verb.Code == 0, $"{line}: {verb.Error}");
            Assert.NotEqual("", verb.Output);
            ran.Add(words[0] == "sae" ? "sae check" : words.Contains("--onnx") ? "export --onnx" : words.Count(w => w == "--dictionaries") > 1 ? "export of several" : words[0]);
        }
        Assert.Equal(["export", "export --onnx", "export of several", "graph", "sae check"], ran.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_scripts_that_the_readme_names_are_there()
    {
        var scripts = Section().Split('\n').Where(l => l.StartsWith("    ", StringComparison.Ordinal) && l.Contains("export-scripts/")).ToList();
        Assert.Equal(2, scripts.Count);
        Assert.All(scripts, l => Assert.True(File.Exists(Path.Combine(Repository.Root, Words().Matches(l.Trim())[1].Value)), l));
    }

    public void Dispose() => _directory.Dispose();

    private static string Section()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        return readme[readme.IndexOf("## Bring your own model", StringComparison.Ordinal)..readme.IndexOf("## Parquet", StringComparison.Ordinal)];
    }

    private static IEnumerable<string> Commands() => Section().Split('\n').Where(l => l.StartsWith("    onnx-attribution ", StringComparison.Ordinal)).Select(l => l.Trim());

    // as scripts and users leave them: a GPT-2 with its dictionaries inside, others in folders of their own, a graph of PyTorch's with sites.json beside it
    private void Prepare()
    {
        Random2.Copy(_directory["gpt2"], withDictionaries: true);
        RandomModels.Rewrite("neox2", _directory["pythia-70m-deduped"]);
        var width = (int)RandomModels.Config("neox2")["hidden_size"]!;
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width, features: 20, seed: 1).Write(_directory["pythia-dictionaries/one"]);
        DictionaryFiles.Random("blocks.0.hook_resid_mid", width: 16, features: 20, seed: 2).Write(_directory["openai-v5/some/where"]);
        DictionaryFiles.Random("blocks.1.attn.hook_z", width: 16, features: 20, seed: 3).Write(_directory["mine/z"]);
        using var foreign = new ForeignModel("gpt2-17");
        foreign.Write();
        Directory.CreateDirectory(_directory["exported"]);
        foreach (var file in Directory.GetFiles(foreign.Source)) File.Copy(file, Path.Combine(_directory["exported"], Path.GetFileName(file)));
    }

    private string Here(string word, string option) => option switch
    {
        // the small models' vocabulary is bytes
        "--prompt" => word[..4],
        "--target" => "a",
        "--foil" => "i",
        "--model" when word == "models/tiny" => Repository.TinyModel,
        "--checkpoint" or "--dictionaries" or "--onnx" or "--sites" or "--out" or "--model" => _directory[word],
        _ => word,
    };

    [GeneratedRegex("\"[^\"]*\"|\\S+")]
    private static partial Regex Words();
}
