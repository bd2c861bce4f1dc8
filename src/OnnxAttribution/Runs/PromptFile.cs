using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runs;

/// <summary>Prompts in a JSONL file: one object a line, with <c>prompt</c> and optional <c>target</c>, <c>foil</c>, <c>patch_prompt</c>, <c>id</c>.</summary>
public static class PromptFile
{
    /// <summary>The id of the merged graph's directory, which no line may have.</summary>
    public const string MergedId = "merged";

    private static readonly string[] s_names = ["prompt", "target", "foil", "patch_prompt", "id"];

    /// <summary>All lines that are not blank.</summary>
    /// <returns>Line number from 1, and either what it asks for (with an id: the line number where it gives none) or what is wrong with it.</returns>
    /// <exception cref="PromptException">The file cannot be read or has no line.</exception>
    public static IReadOnlyList<(int Line, PromptTask? Task, string? Error)> Read(string path)
    {
        var result = new List<(int, PromptTask?, string?)>();
        var ids = new Dictionary<string, int>();
        var number = 0;
        foreach (var line in Lines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                var task = Parse(line, number);
                if (!ids.TryAdd(task.Id!, number)) throw new PromptException($"its id '{task.Id}' is also line {ids[task.Id!]}'s; ids must differ");
                result.Add((number, task, null));
            }
            catch (Exception e) when (e is PromptException or JsonException or InvalidOperationException)
            {
                result.Add((number, null, e is not PromptException ? $"it is no JSON object ({JsonFault.Words(e)}); write one object per line, with \"prompt\"" : e.Message));
            }
        }
        return result.Count > 0 ? result : throw new PromptException($"{path} holds no prompt; write one JSON object per line, such as {{\"prompt\": \"Copyright (C\"}}");
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PromptException(e is FileNotFoundException or DirectoryNotFoundException ? $"there is no file {path}; give --prompts a JSONL file"
                : $"{path} cannot be read ({e.Message.ReplaceLineEndings(" ")}); check that it is a file and its permissions");
        }
    }

    private static PromptTask Parse(string line, int number)
    {
        using var json = JsonDocument.Parse(line);
        var root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object) throw new PromptException("it is no JSON object; write one object per line, with \"prompt\"");
        foreach (var property in root.EnumerateObject())
        {
            if (!s_names.Contains(property.Name)) throw new PromptException($"it has \"{property.Name}\", which means nothing here; a line takes {string.Join(", ", s_names)}");
        }
        var prompt = Text(root, "prompt") ?? throw new PromptException("it has no \"prompt\"");
        return new PromptTask(prompt, Text(root, "target"), Text(root, "foil"), Text(root, "patch_prompt"), CheckedId(Id(root) ?? $"{number}"));
    }

    private static string? Text(JsonElement root, string name) => !root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw new PromptException($"its \"{name}\" is no string");

    private static string? Id(JsonElement root) => root.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.Number ? id.GetRawText() : Text(root, "id");

    // it becomes the name of a directory
    private static string CheckedId(string id) =>
        id.Length is 0 or > 100 || id[0] == '.' || DisplayText.OneLine(id) != id || id.AsSpan().ContainsAny("/\\:*?\"<>|") ? throw new PromptException($"its id {DisplayText.Quoted(id)} cannot name a directory; use letters, digits, '-', '_' and '.'")
        : id == MergedId ? throw new PromptException($"its id is '{MergedId}', which is the merged graph's; choose another")
        : id;
}
