using System.Diagnostics;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Bench;

/// <summary>The machine's matrix-multiply rate as the runtime reaches it: what every other time is measured against.</summary>
internal static class GemmLimit
{
    private const int Rows = 1024, Inner = 768, Columns = 3072, Runs = 60;

    /// <summary>
    /// Floating-point operations per second of a float32 product [1024, 768] × [768, 3072] with a constant right side; the median of many
    /// runs, as the times that it is compared with are medians.
    /// </summary>
    public static double Measure(RunContext context)
    {
        var g = new GraphBuilder("gemm/");
        var x = g.Input("x", DataType.Float, Dim.Of(Rows), Dim.Of(Inner));
        var random = new Random(1);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
        var w = g.Constant("w", Constants.Of(Draw(Inner * Columns), Inner, Columns));
        var product = g.Identity(g.MatMul(x, w), "y");
        using var runner = new GraphRunner(new OnnxGraph([x], [product]), context);
        using var feed = new Feed().Add("x", Draw(Rows * Inner), Rows, Inner);
        var seconds = new List<double>();
        for (var i = 0; i < Runs; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var result = runner.Run(feed.Values, ["y"]);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return Math.Round(2.0 * Rows * Inner * Columns / Figures.Median(seconds));
    }
}
