using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace OnnxAttribution.Store;

/// <summary>run.json: reading, writing, and its scalars.</summary>
internal static class RunFacts
{
    /// <summary>Prompts stay readable: only what JSON demands is escaped. A number that is not finite becomes the string that names it.</summary>
    private static readonly JsonSerializerOptions Readable = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    public static void Write(string file, JsonObject facts) => File.WriteAllText(file, facts.ToJsonString(Readable) + "\n");

    /// <exception cref="RunDirectoryException">The file is missing, unreadable, or no JSON object.</exception>
    public static JsonObject Read(string file)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(file)) as JsonObject ?? throw RunDirectoryException.Corrupt(file, "it holds no JSON object");
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.Corrupt(file, "it is not JSON", e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            var directory = Path.GetDirectoryName(file)!;
            throw RunFiles.Below(directory) is { Count: > 0 } runs ? RunDirectoryException.OfMany(directory, runs) : RunDirectoryException.Missing(file);
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
