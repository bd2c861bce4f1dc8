using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bench;

/// <summary>A record as a file: keys in snake case, in the order of the record's properties, so that files compare line by line.</summary>
internal static class RecordFile
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        IgnoreReadOnlyProperties = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.Strict,
    };

    public static string Text(IBenchRecord record) => JsonSerializer.Serialize(record, record.GetType(), s_json) + "\n";

    /// <summary>Writes <c>DIR/MACHINE/NAME.json</c>, over an older one.</summary>
    /// <returns>Its path.</returns>
    public static string Write(string directory, IBenchRecord record)
    {
        var path = Path.Combine(directory, record.Setting.Machine.Slug(), record.Name + ".json");
        OutputFile.Write(path, file => file.Write(System.Text.Encoding.UTF8.GetBytes(Text(record))));
        return path;
    }

    /// <exception cref="FormatException">It is no such record; the message names the file.</exception>
    public static T Read<T>(string path) where T : IBenchRecord
    {
        try
        {
            return JsonSerializer.Deserialize<T>(RegularFile.ReadAllText(path), s_json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new FormatException($"{path} is no record of a benchmark ({JsonFault.Words(e)}); make it again with 'make bench'");
        }
    }
}
