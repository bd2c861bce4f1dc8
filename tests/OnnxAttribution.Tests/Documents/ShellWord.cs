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
            if (quote != '\0' && c == quote) quote = '\0';
            else if (quote == '\0' && c is '"' or '\'' && quote == '\0') (quote, began, quoted) = (c, true, true);
            else if (quote == '\0' && c == ' ')
            {
                if (began) words.Add(new ShellWord(word.ToString(), quoted));
                word.Clear();
                (began, quoted) = (false, false);
            }
            else
            {
                word.Append(c);
                began = true;
            }
        }
        return words;
    }
}
