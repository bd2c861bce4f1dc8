using System.Runtime.InteropServices;
using System.Text;

namespace OnnxAttribution.Store;

/// <summary>A result column: its name, its type, and how its values lie in memory.</summary>
/// <param name="Name">As the query calls it.</param>
/// <param name="Type">Its SQL type.</param>
/// <param name="Storage">The type of the values in memory: for DECIMAL and ENUM an integer type, else <paramref name="Type"/>.</param>
/// <param name="Scale">Digits after the point of a DECIMAL.</param>
/// <param name="Labels">The UTF-8 texts of an ENUM, by code.</param>
internal sealed record DuckDbColumn(string Name, DuckDbType Type, DuckDbType Storage, int Scale, byte[][] Labels)
{
    /// <summary>Whether <see cref="DuckDbChunk.Utf8"/> can print it; other types are to be cast to VARCHAR in SQL.</summary>
    public bool IsPrintable => IsNumber || Type is DuckDbType.Boolean or DuckDbType.Varchar or DuckDbType.Enum;

    public bool IsNumber => IsInteger || Type is DuckDbType.Float or DuckDbType.Double or DuckDbType.Decimal;

    public bool IsNested => Type is DuckDbType.List or DuckDbType.Struct or DuckDbType.Map or DuckDbType.Array;

    private bool IsInteger => Type is (>= DuckDbType.TinyInt and <= DuckDbType.UBigInt) or DuckDbType.HugeInt or DuckDbType.UHugeInt;

    /// <summary>Describes a column.</summary>
    /// <param name="name">As the query calls it.</param>
    /// <param name="type">A logical type; it stays the caller's.</param>
    public static DuckDbColumn From(string name, nint type)
    {
        var id = DuckDbNative.TypeId(type);
        return id switch
        {
            DuckDbType.Decimal => new(name, id, DuckDbNative.DecimalInternalType(type), DuckDbNative.DecimalScale(type), []),
            DuckDbType.Enum => new(name, id, DuckDbNative.EnumInternalType(type), 0, EnumLabels(type)),
            _ => new(name, id, id, 0, []),
        };
    }

    private static byte[][] EnumLabels(nint type)
    {
        var labels = new byte[DuckDbNative.EnumSize(type)][];
        for (int i = 0; i < labels.Length; i++)
        {
            nint text = DuckDbNative.EnumValue(type, (ulong)i);
            labels[i] = Encoding.UTF8.GetBytes(Marshal.PtrToStringUTF8(text) ?? "");
            DuckDbNative.Free(text);
        }
        return labels;
    }
}
