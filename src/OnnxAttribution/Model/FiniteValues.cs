using OnnxAttribution.Files;

namespace OnnxAttribution.Model;

/// <summary>What a model computes must be numbers: an overflow would spoil every effect that is derived from it.</summary>
internal static class FiniteValues
{
    /// <param name="what">What the values are, as a plural subject: "the logits".</param>
    /// <exception cref="AttributionException">A value is NaN or infinite.</exception>
    public static float[] Require(float[] values, string what)
    {
        Require((ReadOnlySpan<float>)values, what);
        return values;
    }

    /// <inheritdoc cref="Require(float[], string)"/>
    public static ReadOnlySpan<float> Require(ReadOnlySpan<float> values, string what)
    {
        foreach (var v in values)
        {
            if (float.IsFinite(v)) continue;
            throw new AttributionException(
                $"{what} hold {v}: the model overflows or its weights are damaged; export the checkpoint again, which checks it")
            {
                Next = new NextStep(StepKind.Export)
            };
        }
        return values;
    }
}
