namespace OnnxAttribution.Store;

/// <summary>Finds the statement that an EXPLAIN explains.</summary>
internal static class ExplainText
{
    /// <summary>What follows <c>EXPLAIN [ANALYZE] [(options)]</c>, or null where the text does not begin so.</summary>
    public static string? Explained(string sql)
    {
        if (AfterWord(sql, 0, "EXPLAIN") is not { } at) return null;
        at = AfterWord(sql, at, "ANALYZE") ?? at;
        var options = AfterBlanks(sql, at);
        if (options < sql.Length && sql[options] == '(' && sql.IndexOf(')', options) is var end and >= 0
            && IsOptions(sql[(options + 1)..end]))
        {
            at = end + 1;
        }
        return sql[at..];
    }

    /// <summary><c>(FORMAT json, ANALYZE)</c> and the like; <c>(SELECT 1)</c> has no such words.</summary>
    private static bool IsOptions(string list) =>
        list.Split(',').All(option => option.Trim().Split(' ')[0].ToUpperInvariant() is "ANALYZE" or "FORMAT");

    private static int? AfterWord(string sql, int at, string word)
    {
        at = AfterBlanks(sql, at);
        var end = at + word.Length;
        var found = string.Compare(sql, at, word, 0, word.Length, StringComparison.OrdinalIgnoreCase) == 0;
        return found && (end == sql.Length || !(char.IsLetterOrDigit(sql[end]) || sql[end] == '_')) ? end : null;
    }

    /// <summary>Skips white space and comments, which nest.</summary>
    private static int AfterBlanks(string sql, int at)
    {
        while (at < sql.Length)
        {
            if (char.IsWhiteSpace(sql[at])) at++;
            else if (sql.AsSpan(at).StartsWith("--")) at = sql.IndexOf('\n', at) is var end and >= 0 ? end + 1 : sql.Length;
            else if (sql.AsSpan(at).StartsWith("/*")) at = AfterComment(sql, at);
            else break;
        }
        return at;
    }

    private static int AfterComment(string sql, int at)
    {
        var depth = 0;
        while (at < sql.Length)
        {
            var rest = sql.AsSpan(at);
            var change = rest.StartsWith("/*") ? 1 : rest.StartsWith("*/") ? -1 : 0;
            at += change == 0 ? 1 : 2;
            depth += change;
            if (depth == 0) break;
        }
        return at;
    }
}
