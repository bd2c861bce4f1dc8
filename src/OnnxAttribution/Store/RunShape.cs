using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace OnnxAttribution.Store;

/// <summary>Whether the values of a JSON object are what a record's properties take, and where not, in words:
/// the serializer names the type and not the value.</summary>
internal static class RunShape
{
    /// <summary>The first value that is not what it has to be, for a message; null where there is none.
    /// A value may be missing or null unless its property is required.</summary>
    public static string? Fault(JsonObject json, JsonTypeInfo type) => NoText("", json) ?? Fault("", json, type);

    /// <summary>The first text with half a surrogate pair in it, in keys that this version does not know too:
    /// it only shows when the text is asked for.</summary>
    private static string? NoText(string path, JsonNode? value) => value switch
    {
        JsonObject found => found.Select(entry => NoText(path.Length == 0 ? entry.Key : $"{path}.{entry.Key}", entry.Value))
            .FirstOrDefault(fault => fault is not null),
        JsonArray items => items.Select((item, i) => NoText($"{path}[{i}]", item)).FirstOrDefault(fault => fault is not null),
        JsonValue scalar when scalar.GetValueKind() == JsonValueKind.String && !IsText(scalar) => $"'{path}' is not valid Unicode",
        _ => null,
    };

    private static bool IsText(JsonValue value)
    {
        try
        {
            return value.GetValue<string>() is not null;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static string? Fault(string path, JsonNode value, JsonTypeInfo type) => type.Kind switch
    {
        JsonTypeInfoKind.Object when value is JsonObject found => type.Properties
            .Where(p => !p.IsExtensionData && p.CustomConverter is null && (p.Set is not null || p.AssociatedParameter is not null))
            .Select(p => FaultAt(path, found, p, type.Options))
            .FirstOrDefault(fault => fault is not null),
        JsonTypeInfoKind.Dictionary when value is JsonObject found => found
            .Select(entry => entry.Value is { } v ? Fault($"{path}.{entry.Key}", v, InfoOf(type.ElementType!, type.Options)) : null)
            .FirstOrDefault(fault => fault is not null),
        JsonTypeInfoKind.Enumerable when value is JsonArray items => items
            .Select((item, i) => FaultIn($"{path}[{i}]", item, type))
            .FirstOrDefault(fault => fault is not null),
        JsonTypeInfoKind.None when Is(value, type.Type) => IsFinite(value, type.Type) ? null : $"'{path}' is a number that is too large",
        _ => $"'{path}' is {Kind(value)} where {Wanted(type)} belongs",
    };

    private static string? FaultAt(string path, JsonObject found, JsonPropertyInfo property, JsonSerializerOptions options)
    {
        var full = path.Length == 0 ? property.Name : $"{path}.{property.Name}";
        return found[property.Name] is { } value ? Fault(full, value, InfoOf(property.PropertyType, options))
            : IsNeeded(property) ? $"'{full}' is missing" : null;
    }

    private static bool IsNeeded(JsonPropertyInfo property) => property.IsRequired || (property.AssociatedParameter is { } parameter
        && !parameter.IsNullable && Nullable.GetUnderlyingType(parameter.ParameterType) is null);

    private static string? FaultIn(string path, JsonNode? item, JsonTypeInfo list) =>
        item is not null ? Fault(path, item, InfoOf(list.ElementType!, list.Options))
            : Nullable.GetUnderlyingType(list.ElementType!) is null ? $"'{path}' is null" : null;

    private static JsonTypeInfo InfoOf(Type type, JsonSerializerOptions options) =>
        options.GetTypeInfo(Nullable.GetUnderlyingType(type) ?? type);

    private static bool Is(JsonNode value, Type type) => value is JsonValue scalar && (
        type == typeof(string) ? scalar.GetValueKind() == JsonValueKind.String
        : type == typeof(bool) ? scalar.GetValueKind() is JsonValueKind.True or JsonValueKind.False
        : type == typeof(int) ? scalar.TryGetValue<int>(out _)
        : type == typeof(long) ? scalar.TryGetValue<long>(out _)
        : scalar.GetValueKind() == JsonValueKind.Number);

    // 1e999 is JSON, and infinite where it is read
    private static bool IsFinite(JsonNode value, Type type) => (type != typeof(double) && type != typeof(float))
        || value is not JsonValue scalar
        || (type == typeof(float) ? !scalar.TryGetValue<float>(out var single) || float.IsFinite(single)
            : !scalar.TryGetValue<double>(out var twice) || double.IsFinite(twice));

    private static string Wanted(JsonTypeInfo type) => type.Kind switch
    {
        JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => "object",
        JsonTypeInfoKind.Enumerable => "list",
        _ => type.Type == typeof(string) ? "text"
            : type.Type == typeof(bool) ? "true or false"
            : type.Type == typeof(int) || type.Type == typeof(long) ? "whole number"
            : "number",
    };

    private static string Kind(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        _ => "true or false",
    };
}
