using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Checkpoints;

/// <summary>
/// What lies beside a dictionary so that its active features are found without reading its W_enc: a column w in 8 bits, with the length of
/// what these leave, and W_enc's columns one after the other, so that a few can be read.
/// Five quarters of a float32 W_enc's bytes. Owns the mapping; who opens one disposes it.
/// </summary>
/// <remarks><c>codes</c> q [d, n], I8; <c>steps</c> s, <c>errors</c> ≥ ‖w − s q‖ and <c>lengths</c> ≥ ‖w‖, [n]; <c>rows</c> W_encᵀ, [n, d].
/// </remarks>
internal sealed class EncoderScreenFile : IDisposable
{
    public const string FileName = "encoder_screen.safetensors";

    private const string CodesName = "codes", StepsName = "steps", ErrorsName = "errors", LengthsName = "lengths", RowsName = "rows";

    /// <summary>The largest code: -127 to 127, so that 0 has its place in the middle.</summary>
    private const int MostCode = 127;

    private const int ColumnsAtOnce = 256;

    private readonly SafetensorsFile _file;
    private readonly TensorEntry _rowsEntry;

    private EncoderScreenFile(SafetensorsFile file, int width, int features)
    {
        _file = file;
        CodesEntry = file.Require(CodesName, width, features);
        _rowsEntry = file.Require(RowsName, features, width);
        foreach (var name in (string[])[StepsName, ErrorsName, LengthsName]) file.Require(name, features);
        Codes = file.MapInt8(CodesName);
        Rows = file.MapFloat32(RowsName);
        (Steps, Errors, Lengths) = (Bounds(StepsName), Bounds(ErrorsName), Bounds(LengthsName));
    }

    /// <summary>Where it lies.</summary>
    public string Directory => Path.GetDirectoryName(_file.Path)!;

    /// <summary>q, [d, n].</summary>
    public Memory<sbyte> Codes { get; }

    /// <summary>Where q lies, for a graph that holds it as a constant.</summary>
    public TensorEntry CodesEntry { get; }

    /// <summary>W_encᵀ, [n, d].</summary>
    public Memory<float> Rows { get; }

    /// <summary>s, [n].</summary>
    public float[] Steps { get; }

    /// <summary>At least ‖w − s q‖, [n].</summary>
    public float[] Errors { get; }

    /// <summary>At least ‖w‖, [n].</summary>
    public float[] Lengths { get; }

    /// <param name="width">d of its dictionary.</param>
    /// <param name="features">n of its dictionary.</param>
    /// <exception cref="CheckpointException">It is missing, damaged or another dictionary's.</exception>
    public static EncoderScreenFile Open(string path, int width, int features)
    {
        var file = SafetensorsFile.Open(path);
        try
        {
            return new EncoderScreenFile(file, width, features);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a dictionary's.</summary>
    /// <param name="dictionary">The file that W_enc is in.</param>
    /// <param name="threads">To use at most.</param>
    /// <exception cref="CheckpointException">It cannot be written.</exception>
    public static void Write(SafetensorsFile dictionary, string path, int threads, CancellationToken cancel)
    {
        var coded = new CodedColumns(dictionary, dictionary.Require("W_enc", -1, -1));
        var (d, n) = (coded.Width, coded.Count);
        Parallel.For(0, (n + ColumnsAtOnce - 1) / ColumnsAtOnce,
            new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancel },
            block => coded.Code(block * ColumnsAtOnce, Math.Min(ColumnsAtOnce, n - (block * ColumnsAtOnce))));
        SafetensorsWriter.Write(path,
        [
            SafetensorsTensor.F32(StepsName, [n], () => coded.Steps),
            SafetensorsTensor.F32(ErrorsName, [n], () => coded.Errors),
            SafetensorsTensor.F32(LengthsName, [n], () => coded.Lengths),
            new(RowsName, TensorType.F32, [n, d], stream => coded.WriteRows(stream, cancel)),
            new(CodesName, TensorType.I8, [d, n], stream => stream.Write(MemoryMarshal.AsBytes(coded.Codes.AsSpan()))),
        ]);
    }

    /// <summary>Columns will be read again and again.</summary>
    public void BringIn() => _file.BringIn(_rowsEntry);

    /// <summary>Its pages no longer count as this process's memory.</summary>
    public void Release()
    {
        _file.LetGo(CodesEntry);
        _file.LetGo(_rowsEntry);
    }

    public void Dispose() => _file.Dispose();

    private float[] Bounds(string name)
    {
        var values = _file.ReadFloats(name);
        return values.All(v => v >= 0 && float.IsFinite(v)) ? values : throw new CheckpointException(_file.Path,
            $"tensor '{name}' holds what is no finite number of 0 or more; export the bundle again.");
    }

    // W_enc [d, n] on its way into a file
    private sealed class CodedColumns(SafetensorsFile file, TensorEntry encoder)
    {
        private readonly int _d = (int)encoder.Shape[0], _n = (int)encoder.Shape[1];
        private readonly Memory<float> _weights = encoder.Type == TensorType.F32 ? file.MapFloat32("W_enc") : file.ReadFloats("W_enc");

        public int Width => _d;
        public int Count => _n;
        public sbyte[] Codes { get; } = new sbyte[encoder.Count];
        public float[] Steps { get; } = new float[encoder.Shape[1]];
        public float[] Errors { get; } = new float[encoder.Shape[1]];
        public float[] Lengths { get; } = new float[encoder.Shape[1]];

        // everything about some columns next to each other
        public void Code(int from, int count)
        {
            var steps = Steps.AsSpan(from, count);
            for (var k = 0; k < _d; k++) TensorPrimitives.MaxMagnitude(steps, Weights(k, from, count), steps);
            TensorPrimitives.Abs(steps, steps);
            TensorPrimitives.Divide(steps, MostCode, steps);
            var (left, whole) = (new double[count], new double[count]);
            for (var k = 0; k < _d; k++)
            {
                var w = Weights(k, from, count);
                var q = Codes.AsSpan((k * _n) + from, count);
                for (var j = 0; j < count; j++)
                {
                    // the step of a column of zeros, or of numbers so small that it underflows, is 0
                    q[j] = steps[j] == 0 ? (sbyte)0 : (sbyte)Math.Clamp(MathF.Round(w[j] / steps[j]), -MostCode, MostCode);
                    var rest = w[j] - ((double)steps[j] * q[j]);
                    left[j] += rest * rest;
                    whole[j] += (double)w[j] * w[j];
                }
            }
            for (var j = 0; j < count; j++) (Errors[from + j], Lengths[from + j]) = (AtLeast(left[j]), AtLeast(whole[j]));
        }

        public void WriteRows(Stream stream, CancellationToken cancel)
        {
            var rows = new float[ColumnsAtOnce * _d];
            for (var from = 0; from < _n; from += ColumnsAtOnce)
            {
                cancel.ThrowIfCancellationRequested();
                var count = Math.Min(ColumnsAtOnce, _n - from);
                for (var k = 0; k < _d; k++)
                {
                    var w = Weights(k, from, count);
                    for (var j = 0; j < count; j++) rows[(j * _d) + k] = w[j];
                }
                stream.Write(MemoryMarshal.AsBytes(rows.AsSpan(0, count * _d)));
            }
        }

        private ReadOnlySpan<float> Weights(int k, int from, int count) => _weights.Span.Slice((k * _n) + from, count);

        // sums of squares in float64 are off by far less than this
        private static float AtLeast(double squares) => MathF.BitIncrement((float)(Math.Sqrt(squares) * (1 + 1e-9)));
    }
}
