using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>Whether sessions lay the model's weights out for speed: where many prompts win back the seconds that it takes,
/// and the copies leave memory for the rest.</summary>
internal static class WeightPacking
{
    /// <summary>From more prompts than these on it pays.</summary>
    internal const int ManyPrompts = 50;

    // about as many sessions hold all weights in float32, laid out, and turned for gradients
    private const int Copies = 8;

    /// <param name="graph">Of the model.</param>
    /// <param name="prompts">How many will be asked.</param>
    public static bool Pays(OnnxGraph graph, int prompts) =>
        IsMany(prompts) && Fits(BytesOf(graph), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);

    /// <summary>Whether so many prompts win back what is prepared for each of them.</summary>
    public static bool IsMany(int prompts) => prompts > ManyPrompts;

    /// <param name="weights">Bytes of the weights in float32.</param>
    /// <param name="memory">Bytes that the process may use.</param>
    public static bool Fits(long weights, long memory) => weights <= memory / 2 / Copies;

    /// <summary>Bytes of a graph's weights in float32, however they are stored.</summary>
    public static long BytesOf(OnnxGraph graph) => sizeof(float) * graph.Ops()
        .SelectMany(op => op.In)
        .Where(v => v is { IsConstant: true })
        .Distinct()
        .Sum(v => v!.Initializer!.Dims.Aggregate(1L, (n, d) => n * d));
}
