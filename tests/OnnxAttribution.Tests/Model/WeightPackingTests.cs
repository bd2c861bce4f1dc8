using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Model;

public sealed class WeightPackingTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    /// <summary>GPT-2-small and Gemma 3 of 270 million on 24 GiB; Qwen3 of 600 million would need more than there is.</summary>
    [Theory, InlineData(124e6, 24, true), InlineData(268e6, 24, true), InlineData(596e6, 24, false), InlineData(124e6, 7, false),
        InlineData(596e6, 128, true)]
    public void Weights_are_laid_out_where_their_copies_leave_memory_for_the_rest(double parameters, long gibibytes, bool fits) =>
        Assert.Equal(fits, WeightPacking.Fits((long)(4 * parameters), gibibytes << 30));

    /// <summary>As float32, which they are computed in: half of a file of bfloat16 would be counted.</summary>
    [Theory, InlineData("llama2"), InlineData("gemma2")]
    public void Weights_are_counted_in_float32_however_they_are_stored(string name)
    {
        BundleWriter.Write(new ExportOptions(RandomModels.Checkpoint(name), null, _directory["b"]));
        using var model = LoadedModel.Open(_directory["b"], null, new RunContext());
        var entries = model.Bundle.ReadGraph().Graph.Initializer.Where(t => t.ExternalData.Count > 0)
            .Sum(t => t.Dims.Aggregate(1L, (n, d) => n * d));
        Assert.InRange(WeightPacking.BytesOf(model.Graph), 4 * entries, (4 * entries) + 4096);
        Assert.False(model.PacksWeights);
        using var many = LoadedModel.Open(_directory["b"], null, new RunContext(), WeightPacking.ManyPrompts + 1);
        Assert.True(many.PacksWeights);
    }
}
