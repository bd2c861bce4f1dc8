using System.Numerics.Tensors;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dashboards;

/// <summary>Features of a dictionary by the cosine of their decoder rows, from one blocked matrix product.
/// Owns its session; who makes one disposes it.</summary>
internal sealed class NearestFeatures : IDisposable
{
    public const int Listed = 10;

    private readonly RunContext _context;
    private readonly GraphRunner _runner;

    public NearestFeatures(RunContext context)
    {
        _context = context;
        var g = new GraphBuilder("cosines/");
        var rows = g.Input("rows", DataType.Float, Dim.Named("rows"), Dim.Named("d"));
        var all = g.Input("all", DataType.Float, Dim.Named("features"), Dim.Named("d"));
        _runner = new GraphRunner(new OnnxGraph([rows, all], [g.Identity(g.Emit("Gemm", [rows, all], ("transB", 1L)), "cosines")]),
            context);   // [rows, features]
    }

    /// <summary>Rows of length 1; one of length 0 stays 0, and so has cosine 0 with every other.</summary>
    public static float[] Normalized(ReadOnlySpan<float> decoder, int width)
    {
        var result = decoder.ToArray();
        for (var start = 0; start < result.Length; start += width)
        {
            var row = result.AsSpan(start, width);
            var length = Math.Sqrt(TensorPrimitives.SumOfSquares<float>(row));
            if (length > 0) TensorPrimitives.Divide(row, (float)length, row);
        }
        return result;
    }

    /// <summary>For each of some features the nearest others, nearest first.</summary>
    /// <param name="normalized">[features, d], of <see cref="Normalized"/>.</param>
    public List<(int Feature, float Cosine)>[] Find(float[] normalized, int width, int first, int count)
    {
        var features = normalized.Length / width;
        using var feed = new Feed()
            .Add("rows", normalized.AsMemory(first * width, count * width), count, width)
            .Add("all", normalized, features, width);
        using var result = _runner.Run(feed.Values, _runner.Outputs);
        var cosines = result.Copy("cosines");
        var nearest = new List<(int, float)>[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _context.Threads },
            i => nearest[i] = StrongestEntries.Find(cosines.AsSpan(i * features, features), Listed, passedOver: first + i));
        return nearest;
    }

    public void Dispose() => _runner.Dispose();
}
