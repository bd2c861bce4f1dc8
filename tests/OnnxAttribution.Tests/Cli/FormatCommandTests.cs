using System.Text.Json.Nodes;
using OnnxAttribution.Bench;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Dictionaries as other projects publish them, from the command line: exported, graphed, validated and queried.</summary>
public sealed class FormatCommandTests : IDisposable
{
    private const int Layers = 21;   // Gemma Scope's file is of layer 20

    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void Every_published_layout_goes_through_all_verbs()
    {
        Model();
        var (sites, active) = (0, 0);
        foreach (var (folder, count) in Folders())
        {
            var exported = Verb.Run("export", "--checkpoint", _directory["model"], "--dictionaries", folder, "--out", folder + "-bundle",
                "--not-as-trained", "--no-check");
            // a path as published tells the release, and what it says is said
            Assert.True(exported.Code == 0 && exported.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .All(l => l.StartsWith("note: ", StringComparison.Ordinal) && l.Contains("table of releases")), exported.Error);
            var graph = JsonNode.Parse(Verb.Run("graph", "--model", folder + "-bundle", "--prompt", "abcd",
                "--all", "--refine", "off", "--out", folder + "-run", "--no-page", "--json").Done().Output)!;
            Assert.InRange((double)graph["conservation_violation"]!, 0, 1e-4);
            Verb.Run("validate", folder + "-run", "--sample", "10").Done();
            Verb.Run("query", folder + "-run", "SELECT site, count(*) FILTER (feature >= 0) AS features, "
                + "count(*) FILTER (feature < 0) AS errors FROM nodes GROUP BY site", "--json", "--out", folder + ".json").Done();
            var rows = JsonNode.Parse(File.ReadAllText(folder + ".json"))!.AsArray();
            Assert.Equal(count, rows.Count);
            Assert.All(rows, r => Assert.InRange((int)r!["errors"]!, 4, 5));
            sites += rows.Count;
            active += rows.Count(r => (int)r!["features"]! > 0);
        }
        Assert.Equal(FormatFiles.Sources.Count(), sites);
        // which features are active is chance; that nearly all dictionaries have some is not
        Assert.InRange(active, sites - 2, sites);
    }

    public void Dispose() => _directory.Dispose();

    // activations as large as those that trained dictionaries see
    private void Model()
    {
        SyntheticCheckpoint.WriteModel(_directory["small"], new SyntheticShape(Layers, Width: 6, Heads: 2, Vocabulary: 300, Context: 16));
        Directory.CreateDirectory(_directory["model"]);
        foreach (var file in Directory.GetFiles(_directory["small"]))
        {
            File.Copy(file, Path.Combine(_directory["model"], Path.GetFileName(file)));
        }
        using var source = SafetensorsFile.Open(Path.Combine(_directory["small"], "model.safetensors"));
        SafetensorsWriter.Write(Path.Combine(_directory["model"], "model.safetensors"),
            [.. source.Tensors.Values.OrderBy(t => t.Offset).Select(t =>
                SafetensorsTensor.F32(t.Name, t.Shape.AsSpan(),
                    () => t.Shape.Length > 1 ? Array.ConvertAll(source.ReadFloats(t.Name), w => w * 30) : source.ReadFloats(t.Name)))]);
    }

    // as few folders as two dictionaries of one site allow
    private IEnumerable<(string Folder, int Count)> Folders()
    {
        var taken = new List<HashSet<string>>();
        foreach (var source in FormatFiles.Sources)
        {
            FormatFiles.Copy(source, _directory[$"one/{source.Replace('/', '_')}"]);
            string site;
            using (var found = FormatFiles.FindOne(_directory[$"one/{source.Replace('/', '_')}"]))
            {
                site = Site.Canonical(found.Config.HookName, Layers);
            }
            var at = taken.FindIndex(t => !t.Contains(site));
            if (at < 0)
            {
                at = taken.Count;
                taken.Add([]);
            }
            taken[at].Add(site);
            FormatFiles.Copy(source, _directory[$"folder{at}"]);
        }
        return taken.Select((t, i) => (_directory[$"folder{i}"], t.Count));
    }
}
