using System.Text;

namespace OnnxAttribution.Tests.Documents;

/// <summary>A word of a command line, quotes taken away.</summary>
/// <param name="IsQuoted">Whether a part of it stood in quotes, so that <c>*</c> is a star.</param>
internal readonly record struct ShellWord(string Text, bool IsQuoted)
{
    public bool Contains(char c) => Text.Contains(c);

    /// <summary>Single and double quotes; nothing else of a shell is known here.</summary>
    public static IReadOnlyList<ShellWord> Split(string line)
    {
        var words = new List<ShellWord>();
        var word = new StringBuilder();
        var (quote, began, quoted) = ('\0', false, false);
        foreach (var c in line.Append(' '))
        {
            var closes = quote != '\0' && c == quote;
            var opens = quote == '\0' && (c is '"' or '\'');
            var ends = quote == '\0' && c == ' ';
            if (ends && began) words.Add(new ShellWord(word.ToString(), quoted));
            if (ends) word.Clear();
            if (closes) quote = '\0';
            else if (opens) (quote, began, quoted) = (c, true, true);
            else if (ends) (began, quoted) = (false, false);
            else (_, began) = (word.Append(c), true);
        }
        return words;
    }
}
