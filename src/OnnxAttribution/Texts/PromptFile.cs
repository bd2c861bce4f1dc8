using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>Prompts in a JSONL file: one object a line, with <c>prompt</c> and optional <c>target</c>,
/// <c>foil</c>, <c>patch_prompt</c>, <c>id</c>, <c>label</c>; or in a template (.yaml, .yml), which is expanded.</summary>
internal static class PromptFile
{
    private const long MostBytes = 256 << 20;

    private static readonly JsonSerializerOptions s_written = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly string[] s_names = ["prompt", "target", "foil", "patch_prompt", "id", "label"];

    /// <summary>All lines that are not blank, or all prompts of a template.</summary>
    /// <returns>Line number from 1, and either what it asks for (with an id:
    /// the line number where it gives none) or what is wrong with it.</returns>
    /// <exception cref="PromptException">The file cannot be read, is no text in UTF-8, has no line, or is a template with a fault.
    /// </exception>
    public static IReadOnlyList<(int Line, PromptTask? Task, string? Error)> Read(string path)
    {
        if (IsTemplate(path)) return [.. TemplateExpansion.Of(TemplateFile.Read(path), path).Select((t, i) => (i + 1, t, (string?)null))];
        var result = new List<(int, PromptTask?, string?)>();
        var ids = new Dictionary<string, int>();
        var number = 0;
        foreach (var line in PromptText.Read(path, MostBytes).Split(["\r\n", "\n", "\r"], StringSplitOptions.None))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line)) continue;
            try
            {
                var task = Parse(line, number);
                if (!ids.TryAdd(task.Id!, number))
                {
                    throw new PromptException($"its id '{task.Id}' is also line {ids[task.Id!]}'s; ids must differ");
                }
                result.Add((number, task, null));
            }
            catch (Exception e) when (e is PromptException or JsonException or InvalidOperationException)
            {
                result.Add((number, null, e is PromptException ? e.Message : Problem(line, e)));
            }
        }
        return result.Count > 0 ? result : throw new PromptException(
            $"{path} holds no prompt; write one JSON object per line, such as {{\"prompt\": \"Copyright (C\"}}");
    }

    /// <summary>Whether a file is a template, by its name.</summary>
    public static bool IsTemplate(string path) => Path.GetExtension(path).ToLowerInvariant() is ".yaml" or ".yml";

    /// <summary>Prompts as lines that <see cref="Read"/> reads.</summary>
    public static string Lines(IEnumerable<PromptTask> tasks)
    {
        var text = new StringBuilder();
        foreach (var task in tasks) text.Append(Line(task)).Append('\n');
        return text.ToString();
    }

    /// <summary>A prompt as a line, without its end.</summary>
    public static string Line(PromptTask task)
    {
        var line = new JsonObject();
        void Add(string key, string? value)
        {
            if (value is not null) line[key] = value;
        }
        Add("id", task.Id);
        Add("label", task.Label);
        Add("prompt", task.Prompt);
        Add("patch_prompt", task.PatchPrompt);
        Add("target", task.Target);
        Add("foil", task.Foil);
        return line.ToJsonString(s_written);
    }

    private static string Problem(string line, Exception why)
    {
        try
        {
            PythonJson.Parse(Encoding.UTF8.GetBytes(line)).Dispose();
            return "it has NaN or Infinity, as Python writes them, which are no text; write null, or leave the key out";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return $"it is no JSON object ({JsonFault.Words(why)}); write one object per line, with \"prompt\"";
        }
    }

    private static PromptTask Parse(string line, int number)
    {
        using var json = JsonDocument.Parse(line);
        var root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new PromptException("it is no JSON object; write one object per line, with \"prompt\"");
        }
        foreach (var property in root.EnumerateObject())
        {
            var name = Unicode("a key", () => property.Name);
            if (!s_names.Contains(name))
            {
                throw new PromptException(
                    $"it has \"{DisplayText.OneLine(name)}\", which means nothing here; a line takes {string.Join(", ", s_names)}");
            }
        }
        var prompt = Text(root, "prompt") ?? throw new PromptException("it has no \"prompt\"");
        return new PromptTask(prompt, Text(root, "target"), Text(root, "foil"), Text(root, "patch_prompt"),
            CheckedId(Id(root) ?? $"{number}"))
        {
            Label = Text(root, "label")
        };
    }

    private static string? Text(JsonElement root, string name) =>
        !root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null
            : value.ValueKind == JsonValueKind.String ? Unicode($"its \"{name}\"", value.GetString)
            : throw new PromptException($"its \"{name}\" is no string");

    private static T Unicode<T>(string what, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException)   // JSON may write halves of characters, which no text has
        {
            throw new PromptException($"{what} has half of a character (a lone surrogate, such as \\ud83d without the \\ude00 behind it); "
                + "write the whole character");
        }
    }

    private static string? Id(JsonElement root) =>
        root.TryGetProperty("id", out var id) && id.ValueKind == JsonValueKind.Number ? id.GetRawText() : Text(root, "id");

    // it becomes the name of a directory
    private static string CheckedId(string id) => !PromptId.CanName(id)
            ? throw new PromptException($"its id {DisplayText.Quoted(id)} cannot name a directory; use letters, digits, '-', '_' and '.'")
        : id.Equals(PromptTask.MergedId, StringComparison.OrdinalIgnoreCase)
            ? throw new PromptException($"its id is '{id}', which is the merged graph's; choose another")
        : id.Equals(PromptId.Index, StringComparison.OrdinalIgnoreCase)
            ? throw new PromptException($"its id is '{id}', which is the name of the page that lists the prompts; choose another")
        : id;
}
