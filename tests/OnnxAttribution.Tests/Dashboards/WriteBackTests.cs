using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Dashboards;

public sealed class WriteBackTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void A_row_of_the_heads_writes_its_product_with_the_output_weights()
    {
        var bundle = Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FurtherSites = [SiteKind.Z] });
        using var model = LoadedModel.Open(bundle, ["1.z"], new RunContext(threads: 1));
        using var written = WriteBack.Create(model.Bundle, model.Selected[0], model.Context)!;
        var random = new Random(3);
        float[] rows = [.. Enumerable.Range(0, 5 * 16).Select(_ => random.NextSingle() - 0.5f)];
        var found = written.Write(rows);
        var w = Random2.Weight("h.1.attn.c_proj.weight");   // [in, out], and its bias is no part of a feature's
        Assert.Equal(rows.Length, found.Length);
        for (var i = 0; i < 5; i++)
        {
            for (var j = 0; j < 16; j++)
            {
                var expected = Enumerable.Range(0, 16).Sum(k => (double)rows[(i * 16) + k] * w[(k * 16) + j]);
                Assert.Equal(expected, found[(i * 16) + j], 1e-5);
            }
        }
    }

    public void Dispose() => _directory.Dispose();
}
