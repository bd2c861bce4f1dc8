namespace OnnxAttribution.Texts;

/// <summary>A value of a YAML file: a text, a list, or keys with values. What an alias stands for is the very value of its anchor, so that
/// aliases of aliases take no memory.</summary>
/// <param name="Line">Where it begins, from 1.</param>
internal sealed record YamlValue(long Line)
{
    /// <summary>A text as it stands, whatever YAML would take it for: <c>01</c> and <c>no</c> are texts. null: no text.</summary>
    public string? Text { get; init; }

    /// <summary>The items of a list; null: no list.</summary>
    public IReadOnlyList<YamlValue>? Items { get; init; }

    /// <summary>Keys with their values, in the file's order, each key once; null: none.</summary>
    public IReadOnlyList<(string Key, YamlValue Value)>? Keys { get; init; }

    /// <summary>What it is, for messages.</summary>
    public string Kind => Text is { Length: 0 } ? "empty" : Text is not null ? "a text" : Items is not null ? "a list" : "keys with values";

    /// <summary>The value of a key; null without.</summary>
    public YamlValue? this[string key] => Keys?.FirstOrDefault(k => k.Key == key).Value;
}
