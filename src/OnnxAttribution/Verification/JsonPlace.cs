using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Verification;

/// <summary>Finds a value in JSON by an <see cref="ExpectedValue.Path"/>.</summary>
internal static class JsonPlace
{
    private const string Count = "#";

    /// <returns>null: there is no such value, or it is null.</returns>
    public static JsonNode? Find(JsonNode? json, IReadOnlyList<JsonElement> path)
    {
        foreach (var step in path)
        {
            json = json is null ? null : Next(json, step);
        }
        return json;
    }

    /// <summary>As it is written in words: <c>top_tokens / token ")" / probability</c>.</summary>
    public static string Words(IReadOnlyList<JsonElement> path) => string.Join(" / ", path.Select(step => step.ValueKind switch
    {
        JsonValueKind.Object => string.Join(", ", step.EnumerateObject().Select(p => $"{p.Name} {p.Value.GetRawText()}")),
        _ => step.ToString(),
    }));

    private static JsonNode? Next(JsonNode json, JsonElement step) => (json, step.ValueKind) switch
    {
        (JsonArray list, JsonValueKind.String) when step.GetString() == Count => list.Count,
        (JsonObject found, JsonValueKind.String) => found[step.GetString()!],
        (JsonArray list, JsonValueKind.Number) when step.TryGetInt32(out var i) && Math.Max(i, ~i) < list.Count =>
            list[i < 0 ? list.Count + i : i],
        (JsonArray list, JsonValueKind.Object) => list.FirstOrDefault(item => item is JsonObject o && Has(o, step)),
        _ => null,
    };

    private static bool Has(JsonObject item, JsonElement wanted) => wanted.EnumerateObject().All(p => item[p.Name] is JsonValue value
        && (p.Value.ValueKind == JsonValueKind.Number
            ? value.GetValueKind() == JsonValueKind.Number
                && double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture) == p.Value.GetDouble()
            : value.ToString() == p.Value.ToString()));
}
