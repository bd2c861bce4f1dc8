using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxAttribution.Dictionaries;

/// <summary>Which features of some rows can be active at all, by products of codes and their bounds: all that are, and a few
/// more.</summary>
/// <param name="screen">Of the dictionary.</param>
/// <param name="rows">The rows in codes.</param>
/// <param name="products">Of their codes, [rows of codes, n].</param>
/// <remarks>For one thread at a time.</remarks>
internal readonly ref struct ScreenedFinder(EncoderScreen screen, CodedRows rows, ReadOnlySpan<int> products)
{
    private readonly ReadOnlySpan<int> _products = products;

    private int Features => screen.Steps.Length;

    /// <summary>Marks what can be above its floor in one of the rows from <paramref name="first"/> on.</summary>
    /// <param name="above">What else a pre-activation must reach, of each row: TopK's k-th; null: nothing.</param>
    /// <param name="marks">A bit per feature, [n / 64 rounded up].</param>
    public void Mark(int first, int count, ReadOnlySpan<float> above, Span<ulong> marks)
    {
        for (var t = first; t < first + count; t++) Mark(t, above.IsEmpty ? float.NegativeInfinity : above[t - first], marks);
    }

    /// <summary>What a row's pre-activations are at least, [n].</summary>
    public void AtLeast(int row, Span<float> to)
    {
        for (var j = 0; j < Features; j++) to[j] = Estimate(row, j) - Bound(row, j) + screen.LeastBiases[j];
    }

    private void Mark(int row, float above, Span<ulong> marks)
    {
        var n = Features;
        var least = Math.Max(0, above);
        var (step, second) = (Vector256.Create(rows.Steps[row]), Vector256.Create(rows.SecondSteps[row]));
        var (coded, left) = (Vector256.Create(rows.Coded[row]), Vector256.Create(Left(row)));
        var floor = Vector256.Create(least);
        ref var product = ref MemoryMarshal.GetReference(_products.Slice(row * n, n));
        ref var further = ref rows.Second[row] == 0 ? ref product
            : ref MemoryMarshal.GetReference(_products.Slice(rows.Second[row] * n, n));
        ref var steps = ref MemoryMarshal.GetArrayDataReference(screen.Steps);
        ref var errors = ref MemoryMarshal.GetArrayDataReference(screen.Errors);
        ref var lengths = ref MemoryMarshal.GetArrayDataReference(screen.Lengths);
        ref var floors = ref MemoryMarshal.GetArrayDataReference(screen.Floors);
        var j = 0;
        for (; j <= n - Vector256<float>.Count; j += Vector256<float>.Count)
        {
            var at = (nuint)j;
            var sum = Vector256.ConvertToSingle(Vector256.LoadUnsafe(ref product, at)) * step;
            if (rows.Second[row] != 0) sum += Vector256.ConvertToSingle(Vector256.LoadUnsafe(ref further, at)) * second;
            var most = (sum * Vector256.LoadUnsafe(ref steps, at)) + (coded * Vector256.LoadUnsafe(ref errors, at))
                + (left * Vector256.LoadUnsafe(ref lengths, at)) - Vector256.LoadUnsafe(ref floors, at);
            var bits = Vector256.GreaterThanOrEqual(most, floor).ExtractMostSignificantBits();
            if (bits != 0) marks[j >> 6] |= (ulong)bits << (j & 63);
        }
        for (; j < n; j++)
        {
            if (Estimate(row, j) + Bound(row, j) - screen.Floors[j] >= least) marks[j >> 6] |= 1ul << (j & 63);
        }
    }

    private float Estimate(int row, int j)
    {
        var sum = _products[(row * Features) + j] * rows.Steps[row];
        if (rows.Second[row] is not 0 and var second) sum += _products[(second * Features) + j] * rows.SecondSteps[row];
        return sum * screen.Steps[j];
    }

    private float Bound(int row, int j) => (rows.Coded[row] * screen.Errors[j]) + (Left(row) * screen.Lengths[j]);

    // what is left of x, and what rounding adds
    private float Left(int row) => rows.Left[row] + (screen.Slack * rows.Coded[row]);
}
