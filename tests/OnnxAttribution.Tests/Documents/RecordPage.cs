using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Documents;

/// <summary>Pages of the reference, written from records and the comments on them.</summary>
internal sealed partial class RecordPage
{
    private static readonly Lazy<Dictionary<string, XElement>> s_comments = new(() => XDocument
        .Load(Path.ChangeExtension(typeof(RunRecord).Assembly.Location, ".xml"))
        .Descendants("member")
        .ToDictionary(m => m.Attribute("name")!.Value));

    private readonly StringBuilder _text = new();
    private readonly HashSet<Type> _told = [];
    private readonly HashSet<PropertyInfo> _keys = [];

    public void Paragraph(string text)
    {
        MarkdownText.Wrapped(_text, "", text);
        _text.Append('\n');
    }

    public void Heading(string text, int level = 2) => _text.Append($"{new string('#', level)} {text}\n\n");

    /// <summary>A section on a record and, below it, on each record within it that was not told of yet.</summary>
    /// <param name="path">What stands before the keys in the headings of records within.</param>
    public void Section(string title, JsonTypeInfo type, string path = "")
    {
        if (!_told.Add(type.Type)) return;
        Heading(title);
        Paragraph(Markdown(Comment($"T:{type.Type.FullName}")?.Element("summary")));
        var (within, known) = (new List<(string Name, JsonTypeInfo Type)>(), new List<string>());
        foreach (var key in type.Properties.Where(p => !p.IsExtensionData && p.Get is not null))
        {
            var words = Words(key, within);
            var isNew = _keys.Add(PropertyOf(type.Type, key));
            if (isNew) MarkdownText.Wrapped(_text, "- ", $"`{key.Name}` ({words}): {Meaning(type.Type, key)}");
            else known.Add($"`{key.Name}`");
        }
        if (known.Count > 0) MarkdownText.Wrapped(_text, "- ", $"and, as above, {string.Join(", ", known)}");
        _text.Append('\n');
        foreach (var (name, record) in within) Section(path + name, record, $"{path}{name}.");
    }

    public override string ToString() => _text.ToString().TrimEnd('\n') + "\n";

    private static string Words(JsonPropertyInfo key, List<(string, JsonTypeInfo)> within)
    {
        var words = Words(key.PropertyType, key.Name, key.Options, within);
        return key.CustomConverter is null ? words : words + " or string";
    }

    private static string Words(Type type, string key, JsonSerializerOptions options, List<(string, JsonTypeInfo)> within)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        var info = options.GetTypeInfo(type);
        if (info.Kind == JsonTypeInfoKind.Object) within.Add((key, info));
        return info.Kind switch
        {
            JsonTypeInfoKind.Object => "object",
            JsonTypeInfoKind.Enumerable => "list of " + Words(info.ElementType!, key, options, within) + "s",
            JsonTypeInfoKind.Dictionary => "object of " + Words(info.ElementType!, key, options, within) + "s",
            _ => type == typeof(string) ? "string" : type == typeof(bool) ? "boolean"
                : type == typeof(int) || type == typeof(long) ? "integer" : "number",
        };
    }

    private static string Meaning(Type record, JsonPropertyInfo key)
    {
        var property = PropertyOf(record, key);
        var of = property.DeclaringType!.FullName;
        return Markdown(Comment($"P:{of}.{property.Name}")?.Element("summary")
            ?? Comment($"T:{of}")?.Elements("param").SingleOrDefault(p => p.Attribute("name")!.Value == property.Name)
            ?? throw new InvalidOperationException($"{record.Name}.{property.Name} has no comment"));
    }

    // the same object for a property of a base record, whichever record it is asked of
    private static PropertyInfo PropertyOf(Type record, JsonPropertyInfo key)
    {
        var found = record.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Single(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name) == key.Name);
        return found.DeclaringType!.GetProperty(found.Name)!;
    }

    private static XElement? Comment(string name) =>
        s_comments.Value.GetValueOrDefault(name) is not { } comment ? null
            : comment.Element("inheritdoc")?.Attribute("cref")?.Value is { } of ? Comment(of)
            : comment;

    private static string Markdown(XElement? comment) => Blanks().Replace(string.Concat(comment!.Nodes().Select(n => n switch
    {
        XElement { Name.LocalName: "c" } c => $"`{c.Value}`",
        XElement { Name.LocalName: "see" } see => $"`{KeyOf(see.Attribute("cref")!.Value)}`",
        _ => n.ToString().Replace("&lt;", "<").Replace("&gt;", ">").Replace("&amp;", "&"),
    })), " ").Trim();

    private static string KeyOf(string cref) => JsonNamingPolicy.SnakeCaseLower.ConvertName(cref.Split('.')[^1]);

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();
}
