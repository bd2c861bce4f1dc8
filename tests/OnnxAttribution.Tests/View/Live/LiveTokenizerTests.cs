using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Tests.Tokenizers;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.View.Live;

/// <summary>The live page's tokenizer, given what the program makes of a model's files, gives the program's ids.</summary>
public sealed class LiveTokenizerTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Vocabularies => ["tiny", "gpt2", .. SmallTokenizers.Names];

    public void Dispose() => _directory.Dispose();

    [Theory, MemberData(nameof(Vocabularies))]
    public void Ids_in_the_page_are_those_of_the_command_line(string name)
    {
        var folder = Folder(name);
        var tokenizer = Tokenizer.Open(folder);
        IReadOnlyList<string> texts = [.. Plain, .. SmallTokenizers.Texts(SmallTokenizers.Names.Contains(name) ? name : "pythia", 3000)];
        var ids = InPage(TokenizerDocument.Of(folder), texts);
        var wrong = texts.Zip(ids).Where(t => !t.Second.SequenceEqual(tokenizer.Encode(t.First))).Select(t => t.First);
        Assert.Empty(wrong);
        Assert.Equal(texts.Count, ids.Length);
    }

    private static string[] Plain =>
    [
        "Copyright (C", "When Mary and John went to the store, John gave a drink to", "The war lasted from the year 1732 to the year 17",
        " a leading space", "two  spaces\n\nand\tlines ", "naïve café “quoted” — 3.14", "日本語のテキスト", "don't we'll I'M 12345", "🙂🙂",
    ];

    private string Folder(string name)
    {
        if (name == "tiny") return Repository.TinyModel;
        if (name == "gpt2") return Path.GetDirectoryName(Gpt2TokenizerFixture.VocabPath)!;
        File.WriteAllText(_directory["tokenizer.json"], SmallTokenizers.Json(name));
        return _directory["."];
    }

    private static int[][] InPage(JsonObject document, IReadOnlyList<string> texts)
    {
        var library = Path.Combine(Repository.Root, "node_modules/@huggingface/tokenizers/dist/tokenizers.mjs");
        var start = new ProcessStartInfo("node",
            [Path.Combine(Repository.Root, "tests/OnnxAttribution.Tests/View/Live/tokenize.mjs"), new Uri(library).AbsoluteUri])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        using var node = Process.Start(start)!;
        var asked = new JsonObject { ["tokenizer"] = document, ["texts"] = new JsonArray([.. texts.Select(t => (JsonNode)t)]) };
        node.StandardInput.Write(asked.ToJsonString());
        node.StandardInput.Close();
        var answer = node.StandardOutput.ReadToEnd();
        node.WaitForExit();
        Assert.Equal(0, node.ExitCode);
        return JsonSerializer.Deserialize<int[][]>(answer)!;
    }
}
