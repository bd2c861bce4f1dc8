namespace OnnxAttribution.Store;

/// <summary>One cell of a row on its way into a <see cref="StoredTable"/>:
/// made from the value itself, unboxed. The default is NULL.</summary>
internal readonly struct StoredValue
{
    private readonly string? _text;
    private readonly long _bits;
    private readonly StoredType? _type;

    private StoredValue(StoredType type, long bits, string? text = null) => (_type, _bits, _text) = (type, bits, text);

    /// <summary>A cell without a value, in a column of any type.</summary>
    public static StoredValue Null => default;

    public static implicit operator StoredValue(string? text) => text is null ? default : new(StoredType.Varchar, 0, text);

    public static implicit operator StoredValue(int value) => new(StoredType.Integer, value);

    public static implicit operator StoredValue(int? value) => value is { } some ? some : default(StoredValue);

    public static implicit operator StoredValue(long value) => new(StoredType.BigInt, value);

    public static implicit operator StoredValue(long? value) => value is { } some ? some : default(StoredValue);

    /// <summary>NaN becomes NULL.</summary>
    public static implicit operator StoredValue(float value) =>
        float.IsNaN(value) ? default : new(StoredType.Float, BitConverter.SingleToInt32Bits(value));

    public static implicit operator StoredValue(float? value) => value is { } some ? some : default(StoredValue);

    /// <summary>NaN becomes NULL.</summary>
    public static implicit operator StoredValue(double value) =>
        double.IsNaN(value) ? default : new(StoredType.Double, BitConverter.DoubleToInt64Bits(value));

    public static implicit operator StoredValue(double? value) => value is { } some ? some : default(StoredValue);

    public static implicit operator StoredValue(bool value) => new(StoredType.Boolean, value ? 1 : 0);

    public static implicit operator StoredValue(bool? value) => value is { } some ? some : default(StoredValue);

    internal bool IsNull => _type is null;

    internal string? Text => _text;

    internal long? Integer => IsNull ? null : _bits;

    internal bool? Boolean => IsNull ? null : _bits != 0;

    internal float Float => IsNull ? float.NaN : BitConverter.Int32BitsToSingle((int)_bits);

    internal double Double => _type switch
    {
        null => double.NaN,
        StoredType.Integer => _bits,
        StoredType.Float => Float,
        _ => BitConverter.Int64BitsToDouble(_bits),
    };

    /// <summary>Whether a column of this type takes it: the same type, or a wider one that holds it exactly.</summary>
    internal bool Fits(StoredType column) => _type is not { } own || own == column || (own, column) is
        (StoredType.Integer, StoredType.BigInt) or (StoredType.Integer, StoredType.Double) or (StoredType.Float, StoredType.Double);

    /// <summary>What it is, for a message.</summary>
    internal string TypeName => _type?.ToString().ToUpperInvariant() ?? "NULL";
}
