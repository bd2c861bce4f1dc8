using System.Diagnostics;
using System.Numerics.Tensors;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Runtime;

/// <summary>How fast this machine multiplies matrices, as the runtime reaches it, and how fast it reads memory: what every other time is
/// measured against.</summary>
internal static class MachineRate
{
    private const int Rows = 1024, Inner = 768, Columns = 3072;

    // more than any cache holds
    private const int Floats = 48 << 20;

    /// <summary>Floating-point operations per second of a float32 product [1024, 768] × [768, 3072] with a constant right side; the median
    /// of many runs, as the times that it is compared with are medians.</summary>
    /// <param name="runs">How many are run at most.</param>
    /// <param name="seconds">After so many no further one is begun.</param>
    public static double Products(RunContext context, int runs, double seconds = double.PositiveInfinity)
    {
        var g = new GraphBuilder("gemm/");
        var x = g.Input("x", DataType.Float, Dim.Of(Rows), Dim.Of(Inner));
        var random = new Random(1);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        var w = g.Constant("w", Constants.Of(Draw(Inner * Columns), Inner, Columns));
        var product = g.Identity(g.MatMul(x, w), "y");
        using var runner = new GraphRunner(new OnnxGraph([x], [product]), context);
        using var feed = new Feed().Add("x", Draw(Rows * Inner), Rows, Inner);
        var (times, begun) = (new List<double>(), Stopwatch.GetTimestamp());
        while (times.Count < runs && (times.Count < 3 || Stopwatch.GetElapsedTime(begun).TotalSeconds < seconds))
        {
            var start = Stopwatch.GetTimestamp();
            using var result = runner.Run(feed.Values, ["y"]);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return Math.Round(2.0 * Rows * Inner * Columns / Median(times));
    }

    /// <summary>Bytes per second that all threads read together, of memory that no cache holds; the best of three times.</summary>
    public static double Memory(int threads)
    {
        var values = new float[Floats];
        var (best, piece) = (double.PositiveInfinity, (Floats + threads - 1) / threads);
        for (var run = 0; run < 4; run++)   // the first brings the pages in
        {
            var start = Stopwatch.GetTimestamp();
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
            {
                var from = Math.Min(Floats, i * piece);
                var part = values.AsSpan(from, Math.Min(piece, Floats - from));
                if (run == 0) part.Fill(1);
                else TensorPrimitives.Sum(part);
            });
            if (run > 0) best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return Math.Round(Floats * (double)sizeof(float) / best);
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return (values[(values.Count - 1) / 2] + values[values.Count / 2]) / 2;
    }
}
