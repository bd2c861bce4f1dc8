using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>A feature, or with <see cref="CausalNode.Error"/> what the dictionary missed, at one token position or at all.</summary>
/// <param name="Position">From 0, or <see cref="TokenPosition.All"/>: at every position.</param>
internal readonly record struct CircuitNode(Site Site, int Position, int Feature)
{
    /// <summary>What the feature is set to, in the dictionary's units; null: it is scaled, or moved as the pass says.</summary>
    public float? Value { get; init; }

    /// <summary>Whether it is what the dictionary missed.</summary>
    public bool IsError => Feature == CausalNode.Error;

    /// <summary>Whether it counts at every position.</summary>
    public bool IsEverywhere => Position == TokenPosition.All;
}

/// <summary>A set of nodes that are ablated, or kept, together.</summary>
internal sealed class Circuit
{
    private readonly Dictionary<(Site Site, int Position), ListedAt> _places;

    /// <summary>A circuit of these nodes.</summary>
    /// <param name="nodes">In any order; what is there twice counts once.</param>
    /// <exception cref="CircuitException">One is set to two values.</exception>
    public Circuit(IEnumerable<CircuitNode> nodes)
    {
        Nodes = [.. nodes.Distinct()];
        if (Nodes.GroupBy(n => n with { Value = null }).FirstOrDefault(g => g.Count() > 1)?.Key is { } twice)
        {
            throw new CircuitException($"the circuit has feature {twice.Feature} of {twice.Site} with two values"
                + $"{(twice.IsEverywhere ? "" : $" at position {twice.Position}")}; give it one");
        }
        _places = Nodes.GroupBy(n => (n.Site, n.Position)).ToDictionary(g => g.Key,
            g => ListedAt.Of(g.Where(n => !n.IsError).ToDictionary(n => n.Feature, n => n.Value), g.Any(n => n.IsError)));
    }

    /// <summary>No node at all: ∅.</summary>
    public static Circuit Empty { get; } = new([]);

    /// <summary>Each once, as they were given.</summary>
    public IReadOnlyList<CircuitNode> Nodes { get; }

    /// <summary>Whether features are set to values of their own.</summary>
    public bool SetsValues => Nodes.Any(n => n.Value is not null);

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

    /// <summary>What is listed at one place, whether there or for all positions; a value there counts before one for all.</summary>
    internal ListedAt At(Site site, int position)
    {
        var everywhere = _places.GetValueOrDefault((site, TokenPosition.All), ListedAt.Nothing);
        return _places.TryGetValue((site, position), out var here) ? here.Over(everywhere) : everywhere;
    }
}

/// <summary>What a circuit lists at one place.</summary>
/// <param name="Features">Ascending.</param>
/// <param name="Values">What each is set to, null where it is not; null: none is.</param>
/// <param name="HasError">Whether the error is listed.</param>
internal sealed record ListedAt(int[] Features, float?[]? Values, bool HasError)
{
    public static ListedAt Nothing { get; } = new([], null, false);

    /// <param name="features">With what each is set to.</param>
    public static ListedAt Of(IReadOnlyDictionary<int, float?> features, bool hasError)
    {
        int[] sorted = [.. features.Keys.Order()];
        return new(sorted, features.Values.Any(v => v is not null) ? [.. sorted.Select(f => features[f])] : null, hasError);
    }

    /// <summary>Both, where one is more particular.</summary>
    public ListedAt Over(ListedAt other)
    {
        if (other.Features.Length == 0) return this with { HasError = HasError || other.HasError };
        var features = other.ByFeature();
        foreach (var (feature, value) in ByFeature()) features[feature] = value ?? features.GetValueOrDefault(feature);
        return Of(features, HasError || other.HasError);
    }

    private Dictionary<int, float?> ByFeature() => Features.Index().ToDictionary(f => f.Item, f => Values?[f.Index]);
}
