namespace OnnxAttribution.Tests.Autodiff;

/// <summary>Where the entries of a test input lie, so that no kink or pole of the operator is within reach of a difference step.</summary>
internal enum Domain
{
    /// <summary>[−2, 2).</summary>
    Any,

    /// <summary>[0.5, 2.5).</summary>
    Positive,

    /// <summary>±[0.5, 2.5).</summary>
    AwayFromZero,

    /// <summary>Distinct multiples of 1/4 around 0, shuffled: no ties.</summary>
    Quarters,

    /// <summary>Distinct odd multiples of 1/8 around 0, shuffled: never 0 and never a value of <see cref="Quarters"/>.</summary>
    OddEighths,
}
