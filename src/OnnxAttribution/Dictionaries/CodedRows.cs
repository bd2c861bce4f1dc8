using System.Numerics.Tensors;

namespace OnnxAttribution.Dictionaries;

/// <summary>Encoders' inputs in 8 bits: x ≈ step · (code − middle), and where that leaves much, such as beside one large entry, what is
/// left in 8 bits more, in a row of its own.</summary>
internal sealed class CodedRows
{
    /// <summary>A part of ‖x‖: where more is left, it is coded too.</summary>
    private const float MostLeft = 0.01f;

    private readonly int _width, _middle;
    private readonly List<byte[]> _codes = [];

    /// <param name="x">[rows, d].</param>
    /// <param name="width">d.</param>
    /// <param name="middle">The code of 0: 128, or 64 where the runtime's sums of two products overflow above it.</param>
    public CodedRows(ReadOnlySpan<float> x, int width, int middle)
    {
        (_width, _middle) = (width, middle);
        Rows = x.Length / width;
        (Steps, Second, SecondSteps) = (new float[Rows], new int[Rows], new float[Rows]);
        (Coded, Left) = (new float[Rows], new float[Rows]);
        var left = new float[width];
        for (var t = 0; t < Rows; t++)
        {
            var row = x.Slice(t * width, width);
            row.CopyTo(left);
            Steps[t] = Code(left);
            if (Length(left) > MostLeft * Length(row)) Second[t] = -1;
            Left[t] = Above(Length(left));
        }
        for (var t = 0; t < Rows; t++)
        {
            var row = x.Slice(t * width, width);
            if (Second[t] < 0)
            {
                row.CopyTo(left);
                Take(left, _codes[t], Steps[t]);
                Second[t] = _codes.Count;
                SecondSteps[t] = Code(left);
                Left[t] = Above(Length(left));
            }
            // x̂ is no longer than x and what is left of it together
            Coded[t] = Above(Length(row)) + Left[t];
        }
    }

    /// <summary>Of x.</summary>
    public int Rows { get; }

    /// <summary>No entry is infinite or no number: nothing is said of such rows.</summary>
    public bool IsFinite => Coded.All(float.IsFinite) && Left.All(float.IsFinite);

    /// <summary>Of each row, [rows].</summary>
    public float[] Steps { get; }

    /// <summary>Which row of codes holds what the first leaves; 0: none does, [rows].</summary>
    public int[] Second { get; }

    /// <summary>The second rows' steps, [rows].</summary>
    public float[] SecondSteps { get; }

    /// <summary>At least ‖x̂‖, [rows].</summary>
    public float[] Coded { get; }

    /// <summary>At least ‖x − x̂‖, [rows].</summary>
    public float[] Left { get; }

    /// <summary>The first codes of all rows, then the second ones of some, [rows of codes, d].</summary>
    public byte[] Codes()
    {
        var all = new byte[_codes.Count * _width];
        for (var i = 0; i < _codes.Count; i++) _codes[i].CopyTo(all, i * _width);
        return all;
    }

    // leaves in x what is left of it
    private float Code(float[] x)
    {
        var codes = new byte[_width];
        var most = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(x));
        var step = most / (_middle - 1);
        for (var k = 0; k < _width; k++)
        {
            codes[k] = (byte)(_middle + (step == 0 ? 0 : (int)Math.Clamp(MathF.Round(x[k] / step), 1 - _middle, _middle - 1)));
        }
        _codes.Add(codes);
        Take(x, codes, step);
        return step;
    }

    private void Take(float[] x, byte[] codes, float step)
    {
        for (var k = 0; k < _width; k++) x[k] -= step * (codes[k] - _middle);
    }

    // summed in float64: squares of small entries would be 0
    private static double Length(ReadOnlySpan<float> x)
    {
        var squares = 0.0;
        foreach (var entry in x) squares += (double)entry * entry;
        return Math.Sqrt(squares);
    }

    // each entry left was rounded once
    private static float Above(double length) => MathF.BitIncrement((float)(length * (1 + 1e-6)));
}
