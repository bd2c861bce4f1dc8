using DuckDB.NET.Native;

namespace OnnxAttribution.Store;

/// <summary>A result column: its name and its SQL type.</summary>
internal sealed record DuckDbColumn(string Name, DuckDBType Type)
{
    /// <summary>Whether <see cref="DuckDbRows.Text"/> can print it; other types are to be cast to VARCHAR in SQL.</summary>
    public bool IsPrintable => IsNumber || IsBoolean || Type is DuckDBType.Varchar or DuckDBType.Enum;

    public bool IsNumber =>
        Type is (>= DuckDBType.TinyInt and <= DuckDBType.UnsignedBigInt) or DuckDBType.HugeInt or DuckDBType.UnsignedHugeInt
            or DuckDBType.Float or DuckDBType.Double or DuckDBType.Decimal;

    public bool IsBoolean => Type is DuckDBType.Boolean;

    public bool IsNested => Type is DuckDBType.List or DuckDBType.Struct or DuckDBType.Map or DuckDBType.Array;
}
