using System.Numerics.Tensors;

namespace OnnxAttribution.Preflight;

/// <summary>What <see cref="ReconstructionFit"/> is made of, row by row; rows may be filled by several threads.</summary>
internal sealed class FitSums(RowLayout layout)
{
    private readonly double[] _missed = new double[layout.Rows];
    private readonly double[] _cosine = new double[layout.Rows];
    private readonly double[] _ratio = new double[layout.Rows];
    private readonly int[] _active = new int[layout.Rows];

    public void Set(int row, ReadOnlySpan<float> x, ReadOnlySpan<float> reconstruction, int active)
    {
        _missed[row] = Squared(TensorPrimitives.Distance(x, reconstruction));
        var (a, b) = ((double)TensorPrimitives.Norm(x), (double)TensorPrimitives.Norm(reconstruction));
        _cosine[row] = a * b == 0 ? 0 : TensorPrimitives.Dot(x, reconstruction) / (a * b);
        _ratio[row] = a == 0 ? 0 : b / a;
        _active[row] = active;
    }

    /// <param name="variance">Σ ‖x − x̄‖² over the rows that count, and over the first ones.</param>
    public ReconstructionFit Fit((double Counted, double First) variance)
    {
        double missed = 0, first = 0, cosine = 0, ratio = 0, active = 0;
        for (var row = 0; row < layout.Rows; row++)
        {
            if (layout.IsFirst(row))
            {
                first += _missed[row];
                continue;
            }
            missed += _missed[row];
            cosine += _cosine[row];
            ratio += _ratio[row];
            active += _active[row];
        }
        var n = layout.Counted;
        return new ReconstructionFit(n, active / n, Explained(missed, variance.Counted), cosine / n, ratio / n,
            Explained(first, variance.First));
    }

    /// <summary>Σ ‖x − x̄‖², x̄ the mean of the rows that count: over these, and over the first ones.</summary>
    /// <param name="x">[rows, width].</param>
    public static (double Counted, double First) Variance(ReadOnlySpan<float> x, int width, RowLayout layout)
    {
        var mean = new double[width];
        for (var row = 0; row < layout.Rows; row++)
        {
            if (layout.IsFirst(row)) continue;
            for (var i = 0; i < width; i++) mean[i] += x[(row * width) + i];
        }
        for (var i = 0; i < width; i++) mean[i] /= Math.Max(1, layout.Counted);
        double counted = 0, first = 0;
        for (var row = 0; row < layout.Rows; row++)
        {
            double sum = 0;
            for (var i = 0; i < width; i++) sum += Squared(x[(row * width) + i] - mean[i]);
            if (layout.IsFirst(row)) first += sum;
            else counted += sum;
        }
        return (counted, first);
    }

    private static double Explained(double missed, double variance) =>
        variance == 0 ? missed == 0 ? 1 : double.NaN : 1 - (missed / variance);

    private static double Squared(double x) => x * x;
}
