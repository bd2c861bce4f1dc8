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
        return Infinite(values) is not { } v ? values
            : throw new AttributionException(
                $"{what} hold {v}: the model overflows or its weights are damaged; export the checkpoint again, which checks it")
            {
                Next = new NextStep(StepKind.Export)
            };
    }

    /// <summary>The same of values that come after a change of activations, where the clean run's are numbers.</summary>
    /// <inheritdoc cref="Require(float[], string)"/>
    public static ReadOnlySpan<float> RequireMoved(ReadOnlySpan<float> values, string what) => Infinite(values) is not { } v ? values
        : throw new AttributionException($"{what} hold {v} once activations are changed, and are numbers in the clean run: the change is "
            + "too large for float32; take a smaller one, such as a coefficient nearer to 1");

    private static float? Infinite(ReadOnlySpan<float> values)
    {
        foreach (var v in values)
        {
            if (!float.IsFinite(v)) return v;
        }
        return null;
    }
}
