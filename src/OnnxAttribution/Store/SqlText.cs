using System.Text;

namespace OnnxAttribution.Store;

/// <summary>Values and names as SQL text.</summary>
internal static class SqlText
{
    /// <summary>A string literal. SQL ends at a NUL character, so a NUL becomes U+2400, its picture;
    /// whole texts go through an appender.</summary>
    public static string Literal(string text) => $"'{text.Replace("'", "''").Replace('\0', '\u2400')}'";

    /// <summary>A quoted name of a column or table.</summary>
    public static string Name(string name) => $"\"{name.Replace("\"", "\"\"").Replace('\0', '\u2400')}\"";

    /// <summary>A list of string literals: <c>['a', 'b']</c>.</summary>
    public static string List(IEnumerable<string> texts)
    {
        var list = new StringBuilder("[").AppendJoin(", ", texts.Select(Literal));
        return list.Append(']').ToString();
    }
}
