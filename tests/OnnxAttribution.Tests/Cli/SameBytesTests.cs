using OnnxAttribution.Tests.Dashboards;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The same command writes the same Parquet bytes, whatever it is called from and however long it takes.</summary>
public sealed class SameBytesTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("--aggregate", "sum")]
    [InlineData("--method", "ig")]
    [InlineData("--estimator", "relp", "--patch-prompt", "WGlT")]
    public void Graphs_and_their_validation(params string[] options)
    {
        Twice(@out =>
        {
            Verb.Run(["graph", "--model", model.Bundle, "--prompt", "Hell", "--out", @out, "--no-page", .. options]).Done();
            if (!options.Contains("sum")) Verb.Run("validate", @out, "--sample", "30").Done();
        }, options.Contains("sum") ? ["nodes", "edges"] : ["nodes", "edges", "validation"]);
    }

    [Fact]
    public void Batches_and_curves_of_faithfulness()
    {
        var prompts = _directory["p.jsonl"];
        File.WriteAllText(prompts, "{\"id\": \"a\", \"prompt\": \"Hello\"}\n{\"id\": \"b\", \"prompt\": \"xyz\"}\n");
        Twice(@out =>
        {
            Verb.Run("graph", "--model", model.Bundle, "--prompts", prompts, "--directories", "--out", @out, "--no-page").Done();
            Verb.Run("ablate", "--faithfulness", Path.Combine(@out, "a"), "--prompt", "Hello").Done();
        }, "a/nodes", "a/edges", "a/faithfulness", "b/nodes", "b/edges", "merged/mean/nodes", "merged/mean/edges");
    }

    [Fact]
    public void Ablations()
    {
        Twice(@out =>
        {
            Verb.Run("ablate", "--model", model.Bundle, "--sites", "resid", "--prompt", "Hello", "--out", @out).Done();
            Verb.Run("ablate", "--model", model.Bundle, "--prompt", "WGlT", "--up", "0:14", "--down", "2:2",
                "--out", Path.Combine(@out, "curve.parquet")).Done();
        }, "nodes", "edges", "tokens", "curve");
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
        foreach (var place in places)
        {
            write(place);
            GC.Collect();       // what comes next lies elsewhere in memory
        }
        Assert.All(tables, table => Assert.Equal(File.ReadAllBytes(Path.Combine(places[0], table + ".parquet")),
            File.ReadAllBytes(Path.Combine(places[1], table + ".parquet"))));
    }
}
