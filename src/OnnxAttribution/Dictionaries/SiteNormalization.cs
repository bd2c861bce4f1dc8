using System.Numerics.Tensors;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Dictionaries;

/// <summary>
/// What a dictionary does to its input, row by row, and what it undoes in its output: x̂ = (f W_dec + b_dec) · scale + mean.
/// <c>layer_norm</c>: n = (x − mean) / (s + 1e-5), s the unbiased standard deviation, scale = s (SAELens, OpenAI).
/// <c>constant_norm_rescale</c>: n = x √d / ‖x‖, scale = ‖x‖ / √d. A constant factor c: n = c x, scale = 1 / c.
/// </summary>
internal sealed class SiteNormalization(InputNormalization kind, double? factor)
{
    /// <summary>Added to the standard deviation that layer_norm divides by (SAELens).</summary>
    public const float Epsilon = 1e-5f;

    private readonly double _factor = kind == InputNormalization.ExpectedAverage ? factor ?? 1 : 1;

    /// <summary>Whether anything is done at all.</summary>
    public bool Changes => kind is InputNormalization.LayerNorm or InputNormalization.ConstantNorm || _factor != 1;

    /// <summary>What the output is multiplied by and shifted by; 0 and 1 where nothing is done.</summary>
    public (float Mean, float Scale) Statistics(ReadOnlySpan<float> x)
    {
        switch (kind)
        {
            case InputNormalization.LayerNorm:
                double mean = 0, square = 0;
                foreach (var v in x) mean += v;
                mean /= x.Length;
                foreach (var v in x) square += (v - mean) * (v - mean);
                return ((float)mean, (float)Math.Sqrt(square / (x.Length - 1)));
            case InputNormalization.ConstantNorm:
                return (0, (float)Math.Sqrt(Square(x) / x.Length));
            default:
                return (0, (float)(1 / _factor));
        }
    }

    /// <summary>Rows, normalised.</summary>
    /// <remarks>Not in the graph: the runtime's sums over a row depend in their last bit on where the row lies in memory,
    /// so that equal runs would differ.</remarks>
    /// <param name="x">[rows, width].</param>
    public float[] Apply(ReadOnlySpan<float> x, int width)
    {
        var result = new float[x.Length];
        for (var start = 0; start < x.Length; start += width)
        {
            var row = x.Slice(start, width);
            var (mean, scale) = Statistics(row);
            if (kind == InputNormalization.LayerNorm) scale += Epsilon;
            else if (scale == 0) continue;   // a row of zeros has no direction
            for (var i = 0; i < row.Length; i++) result[start + i] = (row[i] - mean) / scale;
        }
        return result;
    }

    /// <summary>The same as a part of a graph.</summary>
    /// <param name="x">float32 [1, position, d].</param>
    /// <returns>The input, normalised, [1, position, d]; and what the output is multiplied by, [1, position, 1] or a scalar.</returns>
    public (Value Input, Value Scale) Build(GraphBuilder g, Value x)
    {
        switch (kind)
        {
            case InputNormalization.LayerNorm:
                var centred = g.Sub(x, g.ReduceMean(x, true, -1));
                var width = x.Shape![^1].Size ?? throw new GraphException($"the width of '{x.Name}' is not known");
                var deviation = g.Sqrt(g.Div(g.ReduceSum(g.Mul(centred, centred), true, -1), g.Scalar(width - 1)));
                return (g.Div(centred, g.Add(deviation, g.Scalar(Epsilon))), deviation);
            case InputNormalization.ConstantNorm:
                var length = g.Sqrt(g.ReduceMean(g.Mul(x, x), true, -1));
                var divisor = g.Where(g.Greater(length, g.Scalar(0)), length, g.Scalar(1));   // a row of zeros has no direction
                return (g.Div(x, divisor), length);
            default:
                return (_factor == 1 ? x : g.Mul(x, g.Scalar((float)_factor)), g.Scalar((float)(1 / _factor)));
        }
    }

    /// <summary>Pulls a cotangent of the normalised input back to the input, in place.</summary>
    public void PullBack(ReadOnlySpan<float> x, Span<float> cotangent)
    {
        switch (kind)
        {
            case InputNormalization.LayerNorm: PullBackLayerNorm(x, cotangent); break;
            case InputNormalization.ConstantNorm: PullBackConstantNorm(x, cotangent); break;
            default:
                if (_factor != 1) TensorPrimitives.Multiply(cotangent, (float)_factor, cotangent);
                break;
        }
    }

    // n = c / (s + ε), c = x − mean, s = √(Σ c² / (d − 1))
    private void PullBackLayerNorm(ReadOnlySpan<float> x, Span<float> cotangent)
    {
        var (mean, s) = Statistics(x);
        var d = x.Length;
        double dot = 0;
        for (var i = 0; i < d; i++) dot += (double)cotangent[i] * (x[i] - mean);
        double divisor = s + Epsilon;
        var along = s == 0 ? 0 : dot / (divisor * divisor * (d - 1) * s);
        double sum = 0;
        for (var i = 0; i < d; i++)
        {
            var v = (cotangent[i] / divisor) - (along * (x[i] - mean));
            cotangent[i] = (float)v;
            sum += v;
        }
        TensorPrimitives.Subtract(cotangent, (float)(sum / d), cotangent);
    }

    // n = x √d / ‖x‖: √d / ‖x‖ (v − x (x · v) / ‖x‖²)
    private static void PullBackConstantNorm(ReadOnlySpan<float> x, Span<float> cotangent)
    {
        var square = Square(x);
        if (square == 0)
        {
            cotangent.Clear();
            return;
        }
        double dot = 0;
        for (var i = 0; i < x.Length; i++) dot += (double)cotangent[i] * x[i];
        var (grown, along) = (Math.Sqrt(x.Length / square), dot / square);
        for (var i = 0; i < x.Length; i++) cotangent[i] = (float)(grown * (cotangent[i] - (along * x[i])));
    }

    private static double Square(ReadOnlySpan<float> x)
    {
        double square = 0;
        foreach (var v in x) square += (double)v * v;
        return square;
    }
}
