using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary><c>duckdb_result</c> of duckdb.h: five deprecated fields and the pointer that counts. Passed by value to some functions.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DuckDbResultData
{
    public ulong ColumnCount;
    public ulong RowCount;
    public ulong RowsChanged;
    public nint Columns;
    public nint ErrorMessage;
    public nint Internal;
}
