using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Store;

/// <summary>What the values of run.json have to be where they are there:
/// readers take them as that, and keys that are not named here as they come.</summary>
internal static class RunFactsShape
{
    private static readonly JsonObject s_agreement = Shape("""
        {"+count": "whole number", "+top": "whole number", "pearson": "number", "spearman": "number", "sign_agreement": "number",
         "slope": "number", "median_relative_error": "number", "top_recall": "number"}
        """);

    private static readonly JsonObject s_run = Shape($$$"""
        {"id": "text", "prompt": "text", "patch_prompt": "text", "prepend_bos": "true or false", "tokens": ["whole number"],
         "patch_tokens": ["whole number"], "metric": "text", "position": "whole number", "target_id": "whole number",
         "foil_id": "whole number", "ids": ["text"], "sites": ["text"], "options": {"method": "text", "estimator": "text",
         "steps": "whole number"}, "validation": {"estimator": "text", "sample": "whole number", "seed": "whole number",
           "+nodes": {{{With()}}}, "+edges": {{{With()}}}, "+changes": {{{With()}}},
           "+by_kind": [{{{With("+kind", "text", "+error", "true or false")}}}],
           "+by_stratum": [{{{With("+check", "text", "+stratum", "text")}}}]}}
        """);

    /// <summary>The first value that is not what it has to be, for a message; null where there is none.</summary>
    public static string? Fault(JsonObject facts) => Fault("", facts, s_run);

    /// <param name="shape">A kind, a list of one shape, or an object of shapes by key,
    /// where <c>+</c> before a key says that it may not be missing.</param>
    private static string? Fault(string path, JsonNode value, JsonNode shape)
    {
        switch (shape)
        {
            case JsonObject keys when value is JsonObject found:
                return keys.Select(key => FaultAt(path, found, key.Key, key.Value!)).FirstOrDefault(fault => fault is not null);
            case JsonArray { Count: 1 } of when value is JsonArray items:
                return items.Select((item, i) => item is null ? $"'{path}[{i}]' is null" : Fault($"{path}[{i}]", item, of[0]!))
                    .FirstOrDefault(fault => fault is not null);
            case JsonValue kind when Is(value, kind.GetValue<string>()):
                return null;
            default:
                var wanted = shape is JsonValue named ? named.GetValue<string>() : shape is JsonArray ? "list" : "object";
                return $"'{path}' is {Kind(value)} where {wanted} belongs";
        }
    }

    private static string? FaultAt(string path, JsonObject found, string key, JsonNode shape)
    {
        string name = key.TrimStart('+'), full = path.Length == 0 ? name : $"{path}.{name}";
        return found[name] is { } value ? Fault(full, value, shape) : key != name ? $"'{full}' is missing" : null;
    }

    private static bool Is(JsonNode value, string kind) => value is JsonValue scalar && kind switch
    {
        "text" => scalar.GetValueKind() == JsonValueKind.String,
        "true or false" => scalar.GetValueKind() is JsonValueKind.True or JsonValueKind.False,
        "whole number" => scalar.TryGetValue<int>(out _),
        _ => scalar.GetValueKind() == JsonValueKind.Number,
    };

    private static string Kind(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        _ => "true or false",
    };

    private static string With(params ReadOnlySpan<string> pairs)
    {
        var shape = s_agreement.DeepClone().AsObject();
        for (var i = 0; i < pairs.Length; i += 2) shape[pairs[i]] = pairs[i + 1];
        return shape.ToJsonString();
    }

    private static JsonObject Shape(string json) => JsonNode.Parse(json)!.AsObject();
}
