namespace OnnxAttribution.View.Figures;

/// <summary>How values are spread along an axis.</summary>
internal enum AxisKind
{
    Linear,

    /// <summary>Like a logarithm far from 0 and straight around it, <c>sign(v) log(1 + |v| / c)</c>:
    /// for counts that begin at 0, and for effects of both signs and many sizes.</summary>
    SymmetricLog,
}
