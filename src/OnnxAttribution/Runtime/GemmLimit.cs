using System.Diagnostics;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Runtime;

/// <summary>The machine's matrix-multiply rate as the runtime reaches it: what every other time is measured against.</summary>
internal static class GemmLimit
{
    /// <summary>Floating-point operations per second of a float32 product [rows, inner] × [inner, columns] with a constant right side;
    /// the median of many runs, as the times that it is compared with are medians.</summary>
    public static double Measure(RunContext context, int rows = 1024, int inner = 768, int columns = 3072, int runs = 60)
    {
        var g = new GraphBuilder("gemm/");
        var x = g.Input("x", DataType.Float, Dim.Of(rows), Dim.Of(inner));
        var random = new Random(1);
        var w = g.Constant("w",
            Constants.Of(Enumerable.Range(0, inner * columns).Select(_ => random.NextSingle() - 0.5f).ToArray(), inner, columns));
        var product = g.Identity(g.MatMul(x, w), "y");
        using var runner = new GraphRunner(new OnnxGraph([x], [product]), context);
        using var feed = new Feed()
            .Add("x", Enumerable.Range(0, rows * inner).Select(_ => random.NextSingle() - 0.5f).ToArray(), rows, inner);
        var seconds = new List<double>();
        for (var i = 0; i < runs; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var result = runner.Run(feed.Values, ["y"]);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        seconds.Sort();
        return 2.0 * rows * inner * columns / seconds[runs / 2];
    }
}
