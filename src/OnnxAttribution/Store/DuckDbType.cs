namespace OnnxAttribution.Store;

/// <summary>DuckDB's column types, numbered as <c>duckdb_type</c> in duckdb.h. Only those this program reads or writes itself.</summary>
internal enum DuckDbType
{
    Invalid = 0,
    Boolean = 1,
    TinyInt = 2,
    SmallInt = 3,
    Integer = 4,
    BigInt = 5,
    UTinyInt = 6,
    USmallInt = 7,
    UInteger = 8,
    UBigInt = 9,
    Float = 10,
    Double = 11,
    HugeInt = 16,
    Varchar = 17,
    Decimal = 19,
    Enum = 23,
    List = 24,
    Struct = 25,
    Map = 26,
    UHugeInt = 32,
    Array = 33,
}
