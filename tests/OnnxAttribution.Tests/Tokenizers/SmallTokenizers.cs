using System.Text.Json;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>Small tokenizers in the layout of each family's tokenizer.json, their merges trained on <see cref="DifficultTexts"/>.</summary>
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

    public static string Json(string name) =>
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Tokenizers", "tokenizers", name + ".json"));

    /// <summary>Difficult texts with this tokenizer's own added tokens in them.</summary>
    public static IReadOnlyList<string> Texts(string name, int count = 300)
    {
        using var json = JsonDocument.Parse(Json(name));
        return DifficultTexts.Of([.. json.RootElement.GetProperty("added_tokens")
            .EnumerateArray()
            .Select(t => t.GetProperty("content").GetString()!)
            .Where(t => !string.IsNullOrWhiteSpace(t))
            .Take(5)], count);
    }

    public void Dispose() => _directory.Dispose();
}
