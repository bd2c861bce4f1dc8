using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>A feature, or with <see cref="CausalNode.Error"/> what the dictionary missed, at one token position or at all.</summary>
/// <param name="Position">From 0, or <see cref="TokenPosition.All"/>: at every position.</param>
internal readonly record struct CircuitNode(Site Site, int Position, int Feature)
{
    /// <summary>Whether it is what the dictionary missed.</summary>
    public bool IsError => Feature == CausalNode.Error;

    /// <summary>Whether it counts at every position.</summary>
    public bool IsEverywhere => Position == TokenPosition.All;
}

/// <summary>A set of nodes that are ablated, or kept, together.</summary>
internal sealed class Circuit
{
    private readonly Dictionary<(Site Site, int Position), (int[] Features, bool HasError)> _places;

    /// <summary>A circuit of these nodes.</summary>
    /// <param name="nodes">In any order; what is there twice counts once.</param>
    public Circuit(IEnumerable<CircuitNode> nodes)
    {
        Nodes = [.. nodes.Distinct()];
        _places = Nodes.GroupBy(n => (n.Site, n.Position)).ToDictionary(g => g.Key,
            g => (Features: g.Where(n => !n.IsError).Select(n => n.Feature).Order().ToArray(), HasError: g.Any(n => n.IsError)));
    }

    /// <summary>No node at all: ∅.</summary>
    public static Circuit Empty { get; } = new([]);

    /// <summary>Each once, as they were given.</summary>
    public IReadOnlyList<CircuitNode> Nodes { get; }

    /// <summary>The nodes that are features.</summary>
    public IEnumerable<CircuitNode> Features => Nodes.Where(n => !n.IsError);

    /// <summary>Refuses what the model cannot have.</summary>
    /// <exception cref="CircuitException">No feature is listed,
    /// a site is not selected or has no dictionary, or there is no such feature.</exception>
    public void RequireFeatures(LoadedModel model)
    {
        if (!Features.Any())
        {
            throw new CircuitException(Nodes.Count == 0
                ? "the circuit is empty; list some features, such as 3:953;4:7780,312"
                : "the circuit has error nodes only, which stay as they are; list some features");
        }
        Require(model);
    }

    /// <summary>As <see cref="RequireFeatures"/>, but error nodes do too, and a site without a dictionary may have its errors.</summary>
    /// <exception cref="CircuitException">No node is listed, a site is not selected, or there is no such feature.</exception>
    public void RequireNodes(LoadedModel model)
    {
        if (Nodes.Count == 0) RequireFeatures(model);
        Require(model);
    }

    /// <summary>As <see cref="RequireFeatures"/>, but it may be empty, and a site without a dictionary may have its errors.</summary>
    /// <exception cref="CircuitException">A site is not selected, or there is no such feature.</exception>
    public void Require(LoadedModel model)
    {
        foreach (var n in Nodes)
        {
            if (!model.Selected.Contains(n.Site))
            {
                throw new CircuitException(
                    $"the circuit has {n.Site}, which is not among the selected sites; select it too, or all")
                {
                    Settings = [Setting.Sites]
                };
            }
            if (n.IsError) continue;
            var dictionary = model.DictionaryOf(n.Site)
                ?? throw new CircuitException($"the circuit has feature {n.Feature} of {n.Site}, which has no dictionary in "
                    + $"{model.Directory}; take the site out of the circuit");
            if (n.Feature < 0 || n.Feature >= dictionary.FeatureCount)
            {
                throw new CircuitException($"{n.Site} has no feature {n.Feature}; its features are 0 to {dictionary.FeatureCount - 1}");
            }
        }
    }

    /// <summary>Refuses positions that a prompt does not have.</summary>
    /// <exception cref="CircuitException">A node stands at a position that a prompt of so many tokens does not have.</exception>
    public void RequirePositions(int tokens)
    {
        foreach (var n in Nodes)
        {
            if (n.IsEverywhere || (n.Position >= 0 && n.Position < tokens)) continue;
            throw new CircuitException($"the circuit has feature {n.Feature} of {n.Site} at position {n.Position}, and the prompt's "
                + $"{tokens} tokens are 0 to {tokens - 1}; give a longer prompt, or a circuit without positions (of a summed graph)")
            {
                Settings = [Setting.Aggregate]
            };
        }
    }

    /// <summary>What is listed at one place, whether there or for all positions.</summary>
    /// <returns>Features, ascending, and whether the error is listed.</returns>
    internal (int[] Features, bool HasError) At(Site site, int position)
    {
        var everywhere = _places.GetValueOrDefault((site, TokenPosition.All), ([], false));
        if (!_places.TryGetValue((site, position), out var here)) return everywhere;
        return everywhere.Features.Length == 0 ? (here.Features, here.HasError || everywhere.HasError)
            : ([.. here.Features.Union(everywhere.Features).Order()], here.HasError || everywhere.HasError);
    }
}
