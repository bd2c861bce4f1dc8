namespace OnnxAttribution.Onnx;

/// <summary>One axis of a tensor's shape: a known size, a symbol such as <c>position</c>, or unknown.</summary>
internal readonly record struct Dim(long? Size, string? Symbol)
{
    public static Dim Unknown => default;

    public static Dim Of(long size) => new(size, null);

    public static Dim Named(string symbol) => new(null, symbol);

    public bool IsOne => Size == 1;

    /// <summary>Both are known to be the same size; two unknown axes never are.</summary>
    public bool Equals(Dim other) => Size is { } s ? other.Size == s : Symbol is { } n && other.Symbol == n;

    public override int GetHashCode() => HashCode.Combine(Size, Symbol);

    public override string ToString() => Size?.ToString() ?? Symbol ?? "?";
}
