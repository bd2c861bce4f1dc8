using DuckDB.NET.Data;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>What DuckDB refused, in DuckDB's own words on one line. Callers say which file or query it was about.</summary>
internal sealed class DuckDbException(string message, Exception? inner = null) : Exception(OneLine(message), inner)
{
    /// <summary>Whether the statement wanted more memory than it may have.</summary>
    public bool IsOutOfMemory => InnerException is DuckDBException { ErrorType: DuckDBErrorType.OutOfMemory };

    /// <summary>DuckDB draws the query with a caret under the fault over several lines; the first paragraph names the fault.</summary>
    private static string OneLine(string message)
    {
        int drawing = message.IndexOf("\n\nLINE ", StringComparison.Ordinal);
        string words = drawing < 0 ? message : message[..drawing];
        return string.Join(' ', words.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }
}
