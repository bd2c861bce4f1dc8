namespace OnnxAttribution.Tests.Cli;

/// <summary>A stranger's run or bundle with hidden links where files are written, or once were, aside:
/// what they point at is left alone by every verb that writes.</summary>
public sealed class PlantedLinkTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private const string Precious = "precious content of the user", Token = "0123456789abcdef";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string Run => _directory["run"];

    private string Bundle => _directory["bundle"];

    [Fact]
    public void View_validate_and_query_follow_none()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run).Done();
        Planted(Run, ["graph.html"], "view", Run, "--force");
        Planted(Run, ["x.svg"], "view", Run, "--format", "svg", "--out", Path.Combine(Run, "x.svg"), "--force");
        Planted(Run, ["run.json", "validation.parquet", "graph.html"], "validate", Run, "--sample", "3");
        Planted(Run, ["rows.csv"], "query", Run, "SELECT 1", "--format", "csv", "--out", Path.Combine(Run, "rows.csv"));
    }

    [Fact]
    public void Graph_and_ablate_follow_none()
    {
        Verb.Run("graph", "--model", model.Bundle, "--prompt", "JApF", "--out", Run).Done();
        Planted(_directory.Path, ["run"], "graph", "--model", model.Bundle, "--prompt", "abc", "--out", Run, "--force");
        Planted(_directory.Path, ["circuit.json"], "ablate", "--model", model.Bundle, "--circuit", Run, "--prompt", "JApF",
            "--out", _directory["ablated"]);
    }

    [Fact]
    public void Features_follows_none()
    {
        Verb.Run("export", "--checkpoint", Random2Fixture.Checkpoint, "--out", Bundle, "--no-check").Done();
        File.WriteAllText(_directory["text"], string.Concat(Enumerable.Repeat("The quick brown fox. ", 50)));
        Planted(Bundle, ["features.parquet", ".features.state", ".features.part-0.parquet"], "features", "--model", Bundle,
            "--text", _directory["text"], "--sites", "0.attn", "--window", "3", "--force");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Export_follows_none_nor_links_in_the_place_of_its_files(bool inPlace)
    {
        var checkpoint = inPlace ? OnnxAttribution.Tests.Export.Random2.Copy(Bundle, withDictionaries: true) : Random2Fixture.Checkpoint;
        Verb.Run("export", "--checkpoint", checkpoint, "--out", Bundle, "--no-check").Done();
        string[] again = ["export", "--checkpoint", checkpoint, "--out", Bundle, "--no-check", "--force", "--fold-layernorm"];
        Planted(Bundle, ["model.onnx", "bundle.json", "processed.safetensors", "bundle", "model.next.onnx"], again);
        foreach (var file in (string[])["model.onnx", "bundle.json", "processed.safetensors"])
        {
            File.Delete(Path.Combine(Bundle, file));
            Planted(Bundle, [], () => File.CreateSymbolicLink(Path.Combine(Bundle, file), _directory["precious"]), again);
        }
    }

    // links by the names of today and of earlier versions
    private void Planted(string directory, string[] files, params string[] verb) => Planted(directory, files, () => { }, verb);

    private void Planted(string directory, string[] files, Action more, string[] verb)
    {
        var precious = _directory["precious"];
        File.WriteAllText(precious, Precious);
        more();
        foreach (var name in files.SelectMany(file => (string[])[$".{file}.tmp", $".{file}.lock", $"{file}.part", $".{file}.{Token}.tmp",
            $".{file}.{Token}.lock", $".{file}.{Token}.old"]))
        {
            File.Delete(Path.Combine(directory, name));
            File.CreateSymbolicLink(Path.Combine(directory, name), precious);
        }
        var done = Verb.Run(verb);
        Assert.True(done.Code == 0, done.Error);
        Assert.Equal(Precious, File.ReadAllText(precious));
    }
}
