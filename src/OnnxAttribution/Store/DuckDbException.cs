using DuckDB.NET.Data;
using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>What DuckDB refused, in DuckDB's own words on one line. Callers say which file or query it was about.</summary>
internal sealed class DuckDbException(string message, Exception? inner = null) : Exception(OneLine(message), inner)
{
    /// <summary>Whether the statement wanted more memory than it may have.</summary>
    public bool IsOutOfMemory => InnerException is DuckDBException { ErrorType: DuckDBErrorType.OutOfMemory };

    /// <summary>Whether a file may be at fault, and not what was asked.</summary>
    public bool IsOfFile => InnerException is DuckDBException
    {
        ErrorType: DuckDBErrorType.InvalidInput or DuckDBErrorType.Invalid or DuckDBErrorType.Io or DuckDBErrorType.Serialization
            or DuckDBErrorType.Internal
            or DuckDBErrorType.Fatal or DuckDBErrorType.OutOfRange
    };

    /// <summary>Whether what was asked may be at fault: a value in it, say.</summary>
    public bool IsOfQuery => InnerException is DuckDBException { ErrorType: DuckDBErrorType.InvalidInput or DuckDBErrorType.OutOfRange };

    /// <summary>DuckDB draws the query with a caret under the fault over several lines; the first paragraph names the fault.</summary>
    private static string OneLine(string message)
    {
        var drawing = message.IndexOf("\n\nLINE ", StringComparison.Ordinal);
        var words = drawing < 0 ? message : message[..drawing];
        if (words.StartsWith("INTERNAL Error", StringComparison.Ordinal))
        {
            words = words.Split('\n')[0];   // then come the places of DuckDB's own code
        }
        return string.Join(' ', words.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
    }
}
