using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>A component of a tokenizer.json: its fields by name, errors with the component's name.</summary>
internal readonly struct TokenizerJsonFields(string path, string name, JsonElement json)
{
    /// <summary>Refuses every other field: it might change the tokens.</summary>
    public void Allow(params ReadOnlySpan<string> names)
    {
        foreach (var field in Object.EnumerateObject())
        {
            if (!names.Contains(field.Name)) throw Refused(field.Name, "this field is not known here");
        }
    }

    public TokenizerJsonFields? Optional(string field) =>
        Element(field) is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Null) } value
            ? new TokenizerJsonFields(path, Place(field), value)
            : null;

    public TokenizerJsonFields Required(string field) =>
        Optional(field) ?? throw new TokenizerException(path, $"has no {Place(field)}; download it again.");

    public IEnumerable<TokenizerJsonFields> List(string field)
    {
        var (file, place) = (path, Place(field));
        if (Element(field).ValueKind != JsonValueKind.Array) throw Refused(field, "it must be a list");
        return [.. Element(field).EnumerateArray().Select((e, i) => new TokenizerJsonFields(file, $"{place}[{i}]", e))];
    }

    /// <summary>Undefined where it is missing.</summary>
    public JsonElement Element(string field) => Object.TryGetProperty(field, out var value) ? value : default;

    public string? Text(string field) => Element(field) switch
    {
        { ValueKind: JsonValueKind.String } value => value.GetString(),
        { ValueKind: JsonValueKind.Undefined or JsonValueKind.Null } => null,
        var value => throw Refused(field, "it must be a text"),
    };

    public double? Number(string field) => Element(field) switch
    {
        { ValueKind: JsonValueKind.Number } value => value.GetDouble(),
        { ValueKind: JsonValueKind.Undefined or JsonValueKind.Null } => null,
        var value => throw Refused(field, "it must be a number"),
    };

    public bool Flag(string field, bool otherwise = false) => Element(field).ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Undefined or JsonValueKind.Null => otherwise,
        _ => throw Refused(field, "it must be true or false"),
    };

    /// <summary>The component as an added token; one that says nothing of normalizing is
    /// looked for as it stands if it is special.</summary>
    public AddedToken Added(int id)
    {
        Allow("__type", "id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        var content = Text("content") ?? "";
        return content.Length > 0 && id is >= 0 and < AddedToken.MostIds
            ? new(id, content, Flag("single_word"), Flag("lstrip"), Flag("rstrip"), Flag("normalized", !Flag("special")))
            : throw new TokenizerException(path,
                $"has an added token {DisplayText.QuotedName(content)} with the id {id}; download it again.");
    }

    public TokenizerException Refused(string field, string why) =>
        new(path, $"has {Place(field)} = {DisplayText.QuotedName(Element(field).ToString())}: {why}.");

    public TokenizerException Unknown(string? type, string known) =>
        new(path, $"has {Place("type")} = {DisplayText.QuotedName(type ?? "none")}, which is not known here; {known} are.");

    private JsonElement Object => json.ValueKind == JsonValueKind.Object
        ? json
        : throw new TokenizerException(path, $"has {name} = {DisplayText.QuotedName(json.ToString())}: it must be an object.");

    private string Place(string field) => name.Length == 0 ? field : $"{name}.{field}";
}
