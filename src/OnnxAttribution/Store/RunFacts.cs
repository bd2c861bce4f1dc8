using System.Collections.Frozen;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>run.json: reading, writing, and its scalars.</summary>
internal static class RunFacts
{
    /// <summary>Prompts stay readable: only what JSON demands is escaped.
    /// A number that is not finite becomes the string that names it.</summary>
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    private static readonly JsonDocumentOptions s_strict = new() { AllowDuplicateProperties = false };

    /// <summary>What tells one execution of a command from the next, and not one result from another:
    /// it stays in run.json, so that the same command writes the same Parquet bytes.</summary>
    private static readonly FrozenSet<string> s_ofExecution = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "seconds", "runtime_calls", "operations", "peak_memory_bytes", "model_path", "device", "threads", "command_line", "finished_at");

    /// <summary>The scalars that belong into a Parquet file of the run, as texts.</summary>
    public static IEnumerable<(string Name, string Text)> OfResult(JsonObject facts)
    {
        foreach (var (name, node) in facts)
        {
            if (!s_ofExecution.Contains(name) && Scalar(node) is { } text) yield return (name, text);
        }
    }

    /// <summary>Whether two are of one execution: what is added to a run later changes none of these.</summary>
    public static bool IsSameRun(JsonObject one, JsonObject other) =>
        ((string[])["prompt", "command_line", "finished_at"]).All(name => Scalar(one[name]) == Scalar(other[name]));

    public static void Write(string file, JsonObject facts) => File.WriteAllText(file, facts.ToJsonString(Readable) + "\n");

    /// <exception cref="RunDirectoryException">The file is missing, unreadable,
    /// no JSON object, or a value in it is not what it has to be.</exception>
    public static JsonObject Read(string file)
    {
        try
        {
            var facts = JsonNode.Parse(RegularFile.ReadAllText(file), documentOptions: s_strict) as JsonObject
                ?? throw RunDirectoryException.Corrupt(file, "it holds no JSON object");
            return RunFactsShape.Fault(facts) is { } fault ? throw RunDirectoryException.Corrupt(file, fault) : facts;
        }
        catch (JsonException e)
        {
            // of a key that is there twice it says the name, and not the line
            var fault = e.LineNumber is { } line
                ? $"it is not JSON, at line {line + 1}"
                : $"a key is there twice{(e.Message.Split('\'') is [_, var key, ..] ? $", '{key}'" : "")}";
            throw RunDirectoryException.Corrupt(file, fault, e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            var directory = Path.GetDirectoryName(file)!;
            throw RunFiles.Below(directory) is { Count: > 0 } runs
                ? RunDirectoryException.OfMany(directory, runs)
                : RunDirectoryException.Missing(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    /// <summary>A string as it is, a number or boolean as JSON has it; null for anything else.</summary>
    public static string? Scalar(JsonNode? node) => node is not JsonValue value ? null : value.GetValueKind() switch
    {
        JsonValueKind.String => value.GetValue<string>(),
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.ToJsonString(Readable).Trim('"'),
        _ => null,
    };
}
