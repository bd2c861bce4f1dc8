using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>A repository of the hub by its name, at a revision.</summary>
/// <param name="Repository">OWNER/NAME, or an old name without owner.</param>
/// <param name="Revision">A branch, tag or commit; null: what was fetched before, or else main.</param>
internal sealed partial record HubReference(string Repository, string? Revision)
{
    public const string Prefix = "hf:";

    private const string DefaultRevision = "main";

    /// <summary>What follows the owner.</summary>
    public string Name => Repository[(Repository.LastIndexOf('/') + 1)..];

    public string RevisionOrDefault => Revision ?? DefaultRevision;

    /// <summary>Reads <c>OWNER/NAME</c>, with <c>hf:</c> in front and <c>@REVISION</c> behind where they are wanted.</summary>
    /// <exception cref="HubException">It is no such name.</exception>
    public static HubReference Parse(string text)
    {
        var match = Written.Match(text.StartsWith(Prefix, StringComparison.Ordinal) ? text[Prefix.Length..] : text);
        if (!match.Success || match.Groups["name"].Value.Contains("..", StringComparison.Ordinal))
        {
            throw new HubException($"{DisplayText.QuotedName(text)} is no name on the hub; give OWNER/NAME, or OWNER/NAME@REVISION");
        }
        return new HubReference(match.Groups["name"].Value, match.Groups["revision"] is { Success: true, Value: var r } ? r : null);
    }

    /// <summary>The last <c>@REVISION</c> of a name, cut off.</summary>
    public static (string Name, string? Revision) Cut(string text) =>
        text.LastIndexOf('@') is var at and > 0 ? (text[..at], text[(at + 1)..]) : (text, null);

    [GeneratedRegex(@"^(?<name>[A-Za-z0-9][\w.\-]{0,95}(?:/[A-Za-z0-9][\w.\-]{0,95})?)(?:@(?<revision>[\w.\-/]{1,200}))?$",
        RegexOptions.CultureInvariant)]
    private static partial Regex Written { get; }
}
