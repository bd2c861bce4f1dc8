using System.Text.Json.Nodes;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.View;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Separate circuits of a run: in its tables, drawn alone, and taken as circuits.</summary>
[Collection(TinyRunCollection.Name)]
public sealed class ViewCircuitTests(TinyRun tiny) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    [Fact]
    public void One_separate_circuit_is_drawn_and_taken_as_a_circuit()
    {
        var (run, nodes) = (_directory["parted"], RunDirectory.Read(tiny.Path));
        // two pairs of the run's nodes, of which the second has the stronger edge
        int[] kept = [.. Enumerable.Range(0, nodes.Nodes.Count).Where(i => nodes.Nodes[i] is { Kept: true, Feature: >= 0 })];
        var (first, last) = (nodes.Nodes[kept[0]].Site, nodes.Nodes[kept[^1]].Site);
        int[] low = [.. kept.Where(i => nodes.Nodes[i].Site == first).Take(2)];
        int[] high = [.. kept.Where(i => nodes.Nodes[i].Site == last).Take(2)];
        var other = kept.First(i => !low.Contains(i) && !high.Contains(i));
        CausalEdge[] edges = [new(low[0], high[0], 1, 2), new(low[1], high[1], 1, -3), new(other, CausalEdge.Metric, 1, 9)];
        RunDirectory.Write(run, new RunContents(nodes.Nodes, [edges], 3, nodes.Record), force: false);
        var stored = RunDirectory.Read(run);
        Assert.Equal([2, 1, 2, 1], ((int[])[low[0], low[1], high[0], high[1]]).Select(i => stored.Nodes[i].Component));
        Assert.All(stored.Nodes.Where((_, i) => !low.Contains(i) && !high.Contains(i)), n => Assert.Null(n.Component));
        Assert.Equal([["1", "1"], ["2", "1"], ["", "1"]], new RunQuery([run]).Execute(
            "SELECT component, count(*) FROM edges GROUP BY component ORDER BY component").Rows()
            .Select(r => r.Select(c => $"{c}").ToArray()));
        Verb.Run("view", run, "--component", "2", "--format", "json", "--out", _directory["two.json"]).Done();
        var drawn = JsonNode.Parse(File.ReadAllText(_directory["two.json"]))!["nodes"]!.AsArray()
            .Where(n => (int?)n!["feature_index"] >= 0).Select(n => (int)n!["feature_index"]!);
        Assert.Equal([nodes.Nodes[low[0]].Feature, nodes.Nodes[high[0]].Feature], drawn);
        Verb.Run("view", run, "--component", "2", "--out", _directory["two.html"]).Done();
        Assert.Contains("\"component\":2,", File.ReadAllText(_directory["two.html"]));
        Verb.Run("view", run, "--component", "2", "--out", _directory["two.svg"]).Done();
        Assert.Contains("separate circuit 2", File.ReadAllText(_directory["two.svg"]));
        Verb.Run("view", run, "--component", "3").Failed(1, $"{run} has 2 separate circuits, and 3 is none of them", "1 to 2");
        Verb.Run("view", run, "--component", "2", "--figure", "effects").Failed(2, "--component is about the graph");
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext(threads: 1));
        Assert.Equal(((int[])[low[0], high[0]]).Select(i => (nodes.Nodes[i].Feature, nodes.Nodes[i].Position)),
            CircuitSource.Open($"{run}#2").Circuit(model).Nodes.Select(n => (n.Feature, n.Position)));
        Verb.Run("ablate", "--model", Repository.TinyModel, "--circuit", $"{run}#7", "--prompt", "Copyright (C")
            .Failed(1, "has 2 separate circuits");
    }

    public void Dispose() => _directory.Dispose();
}
