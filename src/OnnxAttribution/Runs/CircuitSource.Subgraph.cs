using OnnxAttribution.Bundles;
using OnnxAttribution.Circuits;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

// a subgraph.json or graph JSON with pins, its run and its groups
internal sealed partial class CircuitSource
{
    private Dictionary<(string Site, int Position, int Feature), float>? _effects;
    private HashSet<string>? _sites;

    private static CircuitSource OfSubgraph(string file, CancellationToken cancel)
    {
        var subgraph = SubgraphReader.Read(file);
        var run = SubgraphRuns.Find(subgraph, file);
        var nodes = run is { } found ? Nodes(System.IO.Path.Combine(found.Path, RunNames.NodesFile), cancel) : null;
        return new CircuitSource("", nodes, run?.Record, file, run?.Path) { Subgraph = subgraph };
    }

    /// <summary>Refuses a subgraph without a run, where what only a run says is needed.</summary>
    /// <exception cref="CircuitException">It is one.</exception>
    public void RequireRun()
    {
        if (Subgraph is null || Run is not null) return;
        throw new CircuitException(SubgraphRuns.Missing(Subgraph, Path!)) { Settings = [Setting.Model, Setting.Prompt] };
    }

    /// <summary>What a subgraph.json groups, and each of its other pins by itself; empty of anything else.</summary>
    /// <param name="estimates">Whether what is asked is what the run did, so that its effects can stand beside.</param>
    /// <exception cref="CircuitException">A site is none of the model's.</exception>
    public IReadOnlyList<CircuitGroup> Groups(LoadedModel model, bool estimates)
    {
        if (Subgraph is null) return [];
        CircuitGroup Group(string name, IReadOnlyList<FeatureName> nodes, bool isSingle) => new(name, [.. nodes.Select(n => n.Spelling)],
            new Circuit(nodes.SelectMany(n => Nodes(n, model))), estimates ? nodes.Sum(EffectOf) : double.NaN, isSingle);
        return [.. Subgraph.Groups.Select(g => Group(g.Name, g.Nodes, isSingle: false)),
            .. Subgraph.Single.Select(n => Group(n.Spelling, [n], isSingle: true))];
    }

    // by the run's own names of its sites
    private double EffectOf(FeatureName node)
    {
        if (_nodes is null) return double.NaN;
        _effects ??= _nodes.ToDictionary(n => (n.Site, n.Position, n.Feature), n => n.Effect);
        return node.Among(_sites ??= _nodes.Select(n => n.Site).ToHashSet()) is { } here
            && _effects.TryGetValue((here.Site, here.Position ?? TokenPosition.All, here.Feature), out var effect) ? effect : double.NaN;
    }

    private IEnumerable<CircuitNode> Nodes(FeatureName node, LoadedModel model) =>
        _nodes is null ? [Node((node.Site, node.Position ?? TokenPosition.All, node.Feature, 0, true), model)]
            : Nodes((node.Site, node.Position ?? TokenPosition.All, node.Feature, 0, true), model);
}
