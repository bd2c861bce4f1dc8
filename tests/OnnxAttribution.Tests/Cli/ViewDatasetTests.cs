using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The index of a dataset, and what its mean's page knows of the prompts.</summary>
public sealed class ViewDatasetTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void A_dataset_has_an_index_of_its_prompts_and_its_mean_says_in_how_many_each_node_stands()
    {
        File.WriteAllText(_directory["p.jsonl"], """
            {"id": "one", "prompt": "Copyright (C", "target": ")"}
            {"id": "none", "prompt": "Copyright (C", "target": "no token of it"}
            {"id": "two", "prompt": "GNU General Public", "target": " License"}
            """);
        var made = Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["p.jsonl"], "--sites", "resid", "--out",
            _directory["data"]);
        Assert.Equal(1, made.Code);
        Assert.Contains("line 2", made.Error);
        var index = File.ReadAllText(_directory["data/index.html"]);
        var rows = JsonNode.Parse(index.Split("id=\"data\">")[1].Split("</script>")[0])!;
        Assert.Equal(["one", "none", "two"], rows["rows"]!.AsArray().Select(r => (string)r!["name"]!));
        Assert.Equal(["Copyright (C", "Copyright (C", "GNU General Public"], rows["rows"]!.AsArray().Select(r => (string)r!["text"]!));
        Assert.Contains("no token of it", (string)rows["rows"]![1]!["fault"]!);
        Assert.Equal((3, "mean/graph.html"), ((int)rows["all"]!, (string)rows["page"]!));
        File.Delete(_directory["data/index.html"]);
        Assert.Contains("data/index.html", Verb.Run("view", _directory["data"]).Done().Output);
        Assert.Equal(index, File.ReadAllText(_directory["data/index.html"]));
        Verb.Run("view", _directory["data"], "--nodes", "5").Failed(ExitCodes.WrongUsage, "--nodes is about one graph", "data/mean");
        var picture = RunPicture.Read(_directory["data/mean"]);
        Assert.Equal(["one", "none", "two"], picture.Prompts.First.Select(p => p.Id));
        Assert.True(double.IsNaN(picture.CleanMetric));
        // as the dataset's own tables have it
        foreach (var node in picture.Nodes.Where(n => !n.IsMetric).Take(20))
        {
            var counted = Verb.Run("query", _directory["data"], $"SELECT count(DISTINCT run) FROM nodes WHERE site = '{node.Site!.Name}' "
                + $"AND feature = {node.Feature} AND kept", "--format", "csv").Done().Output;
            Assert.Equal(int.Parse(counted.Split('\n')[1], CultureInfo.InvariantCulture),
                picture.Prompts.Having(node.Site.Name, node.Feature));
        }
    }

    public void Dispose() => _directory.Dispose();
}
