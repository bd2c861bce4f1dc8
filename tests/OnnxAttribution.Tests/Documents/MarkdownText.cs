using System.Text;

namespace OnnxAttribution.Tests.Documents;

/// <summary>Lines of Markdown that documents are made of.</summary>
internal static class MarkdownText
{
    /// <summary>Characters of a line of text that is made.</summary>
    public const int Width = 120;

    /// <summary>Adds a paragraph or, with a bullet, an item of a list. What stands between back quotes is kept whole.</summary>
    public static void Wrapped(StringBuilder text, string bullet, string words)
    {
        var line = new StringBuilder(bullet);
        foreach (var word in Pieces(words))
        {
            if (line.Length > bullet.Length && line.Length + 1 + word.Length > Width)
            {
                text.Append(line).Append('\n');
                line.Clear().Append(' ', bullet.Length);
            }
            if (line.Length > bullet.Length) line.Append(' ');
            line.Append(word);
        }
        text.Append(line).Append('\n');
    }

    private static IEnumerable<string> Pieces(string words)
    {
        var piece = "";
        foreach (var word in words.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            piece = piece.Length == 0 ? word : $"{piece} {word}";
            if (piece.Count(c => c == '`') % 2 != 0) continue;
            yield return piece;
            piece = "";
        }
        if (piece.Length > 0) yield return piece;
    }
}
