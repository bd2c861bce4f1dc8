namespace OnnxAttribution.Store;

/// <summary>What a column of a <see cref="StoredTable"/> holds, named as SQL names it. Every column may hold NULLs.</summary>
internal enum StoredType
{
    /// <summary>Any text, <see cref="string"/>.</summary>
    Varchar,

    /// <summary>32 bits, <see cref="int"/>.</summary>
    Integer,

    /// <summary>64 bits, <see cref="long"/>.</summary>
    BigInt,

    /// <summary><see cref="float"/>; NaN is NULL.</summary>
    Float,

    /// <summary><see cref="double"/>; NaN is NULL.</summary>
    Double,

    /// <summary><see cref="bool"/>.</summary>
    Boolean,
}
