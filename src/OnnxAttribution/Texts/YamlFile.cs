using System.Text;
using OnnxAttribution.Files;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace OnnxAttribution.Texts;

/// <summary>Reads YAML, by the library's events alone: no type is guessed and no object made, so that nothing needs reflection.</summary>
/// <remarks>The values of a document are as many as its events, aliases one each, and nested no deeper than is said.</remarks>
internal sealed class YamlFile
{
    private const int MostDepth = 8;

    private readonly string _path;
    private readonly Parser _parser;
    private readonly Dictionary<string, YamlValue> _anchors = new(StringComparer.Ordinal);
    private int _depth;

    private YamlFile(string path, string text) => (_path, _parser) = (path, new Parser(new StringReader(text)));

    /// <summary>The documents of a text, which lines of <c>---</c> separate; none that is empty.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="PromptException">It is no YAML, or holds what no template does: tags, keys twice, values nested too deep.
    /// </exception>
    public static IReadOnlyList<YamlValue> Documents(string path, string text)
    {
        var file = new YamlFile(path, text);
        try
        {
            return [.. file.Documents()];
        }
        catch (YamlException e)
        {
            throw new PromptException($"{path}, line {e.Start.Line}: it stops being YAML there, column {e.Start.Column}: {Words(e)}; "
                + "put quotes around a text with a colon, a brace or a bracket");
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or IndexOutOfRangeException or OverflowException)
        {
            // the library's own, for what its scanner does not foresee
            throw new PromptException($"{path}, line {file._parser.Current?.Start.Line ?? 1}: it stops being YAML behind that");
        }
    }

    private static string Words(YamlException e)
    {
        var words = DisplayText.OneLine(e.Message).Trim().TrimEnd('.');
        return words.Length == 0 ? "no YAML" : char.ToLowerInvariant(words[0]) + words[1..];
    }

    private List<YamlValue> Documents()
    {
        var documents = new List<YamlValue>();
        while (_parser.MoveNext())
        {
            if (_parser.Current is not DocumentStart) continue;
            _anchors.Clear();
            Moved();
            if (Value() is { Text: not "" } value) documents.Add(value);
        }
        return documents;
    }

    private YamlValue Value()
    {
        var at = _parser.Current!;
        if (at is AnchorAlias alias)
        {
            return _anchors.TryGetValue(alias.Value.Value, out var known) ? known
                : throw Fault(at, $"*{DisplayText.OneLine(alias.Value.Value)} stands for nothing above it; "
                    + $"write &{DisplayText.OneLine(alias.Value.Value)} before what it means");
        }
        if (at is NodeEvent { Tag: { IsEmpty: false, IsNonSpecific: false } tag })
        {
            throw Fault(at, $"it has the tag {DisplayText.QuotedName(tag.Value)}; leave tags out, every value is a text as it stands");
        }
        var value = at switch
        {
            Scalar scalar => new YamlValue(scalar.Start.Line) { Text = Whole(scalar) },
            SequenceStart => Deeper(at, () => new YamlValue(at.Start.Line) { Items = Items() }),
            MappingStart => Deeper(at, () => new YamlValue(at.Start.Line) { Keys = Keys() }),
            _ => throw Fault(at, "there is no value"),
        };
        if (at is NodeEvent { Anchor: { IsEmpty: false } anchor }) _anchors[anchor.Value] = value;
        return value;
    }

    // "\uD83D" alone is half of a character, which no text has
    private string Whole(Scalar scalar)
    {
        for (var at = 0; at < scalar.Value.Length; at++)
        {
            if (!char.IsSurrogate(scalar.Value[at])) continue;
            if (!Rune.TryGetRuneAt(scalar.Value, at++, out _))
            {
                throw Fault(scalar, "a text has half of a character (a lone surrogate); write the whole character");
            }
        }
        return scalar.Value;
    }

    private YamlValue Deeper(ParsingEvent at, Func<YamlValue> read)
    {
        if (++_depth > MostDepth) throw Fault(at, $"lists and keys lie more than {MostDepth} deep within each other; no template does");
        var value = read();
        _depth--;
        return value;
    }

    private List<YamlValue> Items()
    {
        var items = new List<YamlValue>();
        while (Moved() is not SequenceEnd) items.Add(Value());
        return items;
    }

    private List<(string, YamlValue)> Keys()
    {
        var (keys, known) = (new List<(string, YamlValue)>(), new HashSet<string>(StringComparer.Ordinal));
        while (Moved() is not MappingEnd)
        {
            var at = _parser.Current!;
            if (Value().Text is not { } key) throw Fault(at, "a key is a list or has keys itself; put quotes around a text with a brace");
            if (!known.Add(key)) throw Fault(at, $"the key {DisplayText.QuotedName(key)} stands there twice; leave one out");
            Moved();
            keys.Add((key, Value()));
        }
        return keys;
    }

    private ParsingEvent Moved() => _parser.MoveNext() ? _parser.Current! : throw Fault(_parser.Current, "it ends in the middle");

    private PromptException Fault(ParsingEvent? at, string what) => new($"{_path}, line {at?.Start.Line ?? 1}: {what}");
}
