using System.Text.Json;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>Small tokenizers in each family's layout with Hugging Face's ids of texts, see export-scripts/tokenizer_json_goldens.mjs.</summary>
public sealed class SmallTokenizers : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly Dictionary<string, Tokenizer> _open = [];

    public static string[] Names => ["pythia", "llama3", "qwen2", "smollm", "llama2", "mistral", "gemma", "unknown"];

    /// <summary>Opened once.</summary>
    public Tokenizer this[string name]
    {
        get
        {
            if (_open.TryGetValue(name, out var open)) return open;
            var directory = Directory.CreateDirectory(_directory[name]).FullName;
            File.WriteAllText(Path.Combine(directory, "tokenizer.json"), Json(name));
            return _open[name] = Tokenizer.Open(directory);
        }
    }

    public static string Json(string name) => Read(name).GetProperty("tokenizer").GetRawText();

    public static IEnumerable<(string Text, int[] Ids)> Goldens(string name) =>
        Read(name).GetProperty("texts").EnumerateArray().Select(row => (row[0].GetString()!, row[1].EnumerateArray().Select(id => id.GetInt32()).ToArray()));

    public void Dispose() => _directory.Dispose();

    private static JsonElement Read(string name) => JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Runtime", "tokenizers", name + ".json")));
}
