using System.Globalization;
using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>Names of prompts, which their run directories have too.</summary>
internal static class PromptId
{
    /// <summary>The page beside the runs' directories, which no run may be called.</summary>
    public const string Index = "index.html";

    private const int Most = 100, MostMade = 80;
    private const string NotInNames = "/\\:*?\"<>|";

    /// <summary>Whether a directory may be called so.</summary>
    public static bool CanName(string id) =>
        id.Length is > 0 and <= Most && id[0] != '.' && DisplayText.OneLine(id) == id && !id.AsSpan().ContainsAny(NotInNames);

    /// <summary>Words with hyphens between, made such that they can name a directory, and cut where they are many.</summary>
    public static string Of(IEnumerable<string> words)
    {
        var id = new StringBuilder();
        foreach (var word in words)
        {
            if (id.Length > 0) id.Append('-');
            foreach (var rune in word.Trim().EnumerateRunes())
            {
                var isKept = Rune.IsLetterOrDigit(rune) || rune.Value is '_' or '.' or '\'' or '+';
                if (isKept) id.Append(rune);
                else id.Append('_');
            }
        }
        var cut = id.Length <= MostMade ? id.Length : char.IsHighSurrogate(id[MostMade - 1]) ? MostMade - 1 : MostMade;
        return id.Length > 0 && id[0] == '.' ? "_" + id.ToString(1, cut - 1) : id.ToString(0, cut);
    }

    /// <summary>The id, or with a number behind it the first that is not taken; then it is.</summary>
    public static string Untaken(string id, HashSet<string> taken)
    {
        if (taken.Add(id)) return id;
        for (var number = 2; ; number++)
        {
            var next = string.Create(CultureInfo.InvariantCulture, $"{id}-{number}");
            if (taken.Add(next)) return next;
        }
    }
}
