using OnnxAttribution.Tests.Dashboards;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The same command writes the same Parquet bytes, whatever it is called from and however long it takes.</summary>
public sealed class SameBytesTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Ablations()
    {
        Twice(@out =>
        {
            Verb.Run("ablate", "--model", model.Bundle, "--sites", "resid", "--prompt", "Hello", "--out", @out).Done();
            Verb.Run("ablate", "--model", model.Bundle, "--prompt", "WGlT", "--up", "0:14", "--down", "2:2", "--out", Path.Combine(@out, "curve.parquet")).Done();
        }, "nodes", "edges", "logits", "curve");
    }

    [Fact]
    public void Dashboards()
    {
        using CollectedText first = new(model.Bundle), second = new(model.Bundle);
        byte[] Read(CollectedText text)
        {
            Verb.Run("features", "--model", text.Bundle, "--text", text.TextPath, "--window", "3", "--force").Done();
            return File.ReadAllBytes(Path.Combine(text.Bundle, "features.parquet"));
        }
        Assert.Equal(Read(first), Read(second));
    }

    private void Twice(Action<string> write, params string[] tables)
    {
        string[] places = [_directory["first"], _directory["the/second"]];
        foreach (var place in places) write(place);
        Assert.All(tables, table => Assert.Equal(File.ReadAllBytes(Path.Combine(places[0], table + ".parquet")), File.ReadAllBytes(Path.Combine(places[1], table + ".parquet"))));
    }
}
