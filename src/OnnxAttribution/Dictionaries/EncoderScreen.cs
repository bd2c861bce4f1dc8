using System.Numerics.Tensors;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Dictionaries;

/// <summary>
/// What a dictionary's <see cref="EncoderScreenFile"/> says of its pre-activations <c>s (x w) + b</c>: x w lies within a bound of
/// the product of their codes. Of x = x̂ + r, x̂ of whole codes, and w = ŵ + e:
/// <c>|x w − x̂ ŵ| ≤ ‖x̂‖ ‖e‖ + ‖r‖ ‖w‖</c> (Cauchy and Schwarz).
/// </summary>
/// <remarks>Lengths here are those of s ∘ W_enc.</remarks>
internal sealed class EncoderScreen
{
    // of a float32 sum of products, against its two lengths' product: so many units in the last place per term
    private const float Rounding = 1.2e-7f;

    private readonly EncoderScreenFile _file;

    /// <param name="parameters">Of the same dictionary.</param>
    public EncoderScreen(EncoderScreenFile file, DictionaryParameters parameters)
    {
        _file = file;
        (Steps, Errors, Lengths) = (file.Steps.ToArray(), file.Errors.ToArray(), file.Lengths.ToArray());
        if (parameters.Scale is { } scale)
        {
            var sizes = new float[scale.Length];
            TensorPrimitives.Abs(scale, sizes);
            TensorPrimitives.Multiply(Steps, scale, Steps);
            TensorPrimitives.Multiply(Errors, sizes, Errors);
            TensorPrimitives.Multiply(Lengths, sizes, Lengths);
        }
        var d = (int)file.CodesEntry.Shape[0];
        Slack = (d + 64) * Rounding;
        Floors = new float[Steps.Length];
        LeastBiases = new float[Steps.Length];
        var bias = parameters.Bias.Span;
        for (var j = 0; j < Floors.Length; j++)
        {
            var threshold = parameters.Threshold?[j] ?? 0;
            LeastBiases[j] = bias[j] - (4 * Rounding * Math.Abs(bias[j])) - float.Epsilon;
            Floors[j] = threshold - bias[j] - (4 * Rounding * (Math.Abs(threshold) + Math.Abs(bias[j]))) - float.Epsilon;
        }
    }

    /// <summary>What a product of codes is multiplied by, beside the step of x, [n].</summary>
    public float[] Steps { get; }

    /// <summary>At least ‖e‖, [n].</summary>
    public float[] Errors { get; }

    /// <summary>At least ‖w‖, [n].</summary>
    public float[] Lengths { get; }

    /// <summary>What a feature's x w must reach for it to be active: its threshold less b, rounded down, [n].</summary>
    public float[] Floors { get; }

    /// <summary>b, rounded down, [n].</summary>
    public float[] LeastBiases { get; }

    /// <summary>A part of ‖x‖ ‖w‖ that rounding in float32 does not reach, here or in the product itself.</summary>
    public float Slack { get; }

    /// <summary>q, [d, n].</summary>
    public Memory<sbyte> Codes => _file.Codes;

    /// <summary>Where q lies, for a graph that holds it as a constant.</summary>
    public TensorEntry CodesEntry => _file.CodesEntry;

    /// <summary>The folder of its file.</summary>
    public string Directory => _file.Directory;

    /// <summary>Rows will be read again and again.</summary>
    public void BringIn() => _file.BringIn();

    /// <summary>W_encᵀ, [n, d], without s.</summary>
    public Memory<float> Rows => _file.Rows;
}
