using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Cli;

/// <summary>What a dataset's prompts were about, when they are put in clusters and run again.</summary>
public sealed partial class ClusterCommandTests
{
    [Fact]
    public void Targets_that_are_halves_of_characters_are_told_by_their_ids()
    {
        var set = RandomDataset("--metric", "logit-diff");
        var rows = PromptsIn(set);
        static (string, int?, int?) Asked(PromptRow row) => (row.Run, row.TargetId, row.FoilId);
        Assert.Contains(rows, row => row.Target!.StartsWith(@"\x"));   // each of the model's tokens is a byte
        var model = (string[])["--model", random.Bundle];
        Verb.Run(["cluster", set, "--by", "gradients", "--clusters", "2", .. model, "--out", _directory["site"]]).Done();
        Verb.Run("cluster", set, "--clusters", "2", "--out", _directory["clusters"]).Done();
        foreach (var clusters in (string[])["site", "clusters"])
        {
            var again = new List<PromptRow>();
            foreach (var cluster in (int[])[1, 2])
            {
                var file = _directory[$"{clusters}/prompts/{cluster}.jsonl"];
                Assert.All(PromptFile.Read(file), l => Assert.DoesNotContain(@"\x", l.Task!.Target ?? ""));
                Verb.Run(["graph", "--prompts", file, .. model, "--metric", "logit-diff", "--no-page", "--out",
                    _directory[$"{clusters}{cluster}"]]).Done();
                again.AddRange(PromptsIn(_directory[$"{clusters}{cluster}"]));
            }
            Assert.Equal(rows.Select(Asked), again.OrderBy(row => row.Run, StringComparer.Ordinal).Select(Asked));
        }
    }

    [Fact]
    public void A_site_is_asked_for_what_the_datasets_graphs_were_asked_for()
    {
        const string Asked = "--metric prob --position 2 --prepend-bos false";
        var set = RandomDataset(Asked.Split(' '));
        string[] call = ["cluster", set, "--by", "gradients", "--clusters", "2", "--model", random.Bundle, "--json"];
        double Objective(params string[] options) => (double)JsonNode.Parse(Verb.Run([.. call, .. options]).Done().Output)!["objective"]!;
        var own = Objective();
        Assert.Equal(Objective(Asked.Split(' ')), own, 1e-9);
        foreach (var (option, value) in ((string, string)[])[("--metric", "logit"), ("--position", "1"), ("--prepend-bos", "true")])
        {
            Assert.True(Math.Abs(Objective(option, value) - own) > 1e-6, $"{option} is of no use");
        }
    }

    [Fact]
    public void A_site_of_another_model_than_the_datasets_is_refused()
    {
        Verb.Run("cluster", tasks.Dataset, "--by", "activations", "--model", random.Bundle)
            .Failed(1, "was made with another model or another export of it", "--model");
        Verb.Run("cluster", RandomDataset("--metric", "kl", "--method", "ig", "--steps", "2"), "--by", "gradients", "--model",
            random.Bundle).Failed(2, "graphs of --metric kl", "give another --metric");
    }

    private string RandomDataset(params string[] options)
    {
        string[] prompts = ["FTm", "dtxN", "Ida", "Cox", "WGlT", "JApF", ".eS", "rHv"];
        File.WriteAllLines(_directory["random.jsonl"], prompts.Select((p, i) => $$"""{"prompt": "{{p}}", "id": "p{{i}}"}"""));
        Verb.Run(["graph", "--model", random.Bundle, "--prompts", _directory["random.jsonl"], "--no-page", .. options, "--out",
            _directory["random"]]).Done();
        return _directory["random"];
    }

    private static List<PromptRow> PromptsIn(string dataset)
    {
        var there = DatasetDirectory.Read(dataset);
        return [.. there.Parts.SelectMany(part => there.Rows<PromptRow>(part, TestContext.Current.CancellationToken))];
    }
}
