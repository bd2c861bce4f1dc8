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
