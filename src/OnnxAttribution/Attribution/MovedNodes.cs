using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>What moving a node has shown.</summary>
/// <param name="Before">The same, one level less deep; NaN where there was none.</param>
/// <param name="Levels">How many levels were found: K, or fewer where the metric was reached before.</param>
/// <param name="IsExact">Whether the metric was run.</param>
internal readonly record struct MovedEffect(float Effect, float Before, int Levels, bool IsExact);

/// <summary>
/// Effects of nodes that are really moved, by depth: K blocks behind the node are run, then the linear step
/// g_{R_{l+K}} · (x' − x) is taken over all positions, with the clean run's gradient there. Where l + K reaches the number of
/// blocks the metric is run too, and the effect is exact: m(patched) − m(clean).
/// </summary>
/// <remarks>Layer l is the number in the hook name, the number of blocks for the final residual site. Attention and MLP outputs of block l
/// land where its residual stream does, so for them the rest of their block counts as the first.</remarks>
internal sealed class MovedNodes(PatchingState state, ActivationCache clean, Estimator estimator)
{
    /// <summary>Depth of a run to the end.</summary>
    public const int Whole = int.MaxValue;

    private readonly LoadedModel _model = state.Model;

    /// <summary>Floating-point operations of the runs so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Effects of chosen nodes, in the order given.</summary>
    /// <param name="nodes">Indices in the graph's list of nodes.</param>
    /// <param name="depth">K, from 1; <see cref="Whole"/>: all the way.</param>
    public MovedEffect[] Effects(IReadOnlyList<int> nodes, int depth)
    {
        var rows = Rows(nodes, depth);
        var places = Enumerable.Range(0, nodes.Count).ToDictionary(i => nodes[i]);
        var effects = new MovedEffect[nodes.Count];
        foreach (var batch in rows.Chunk(RowsPerPass() - 1))
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            if (!Run(batch)) Run(batch);
        }
        return effects;

        bool Run(MovedNode[] batch)
        {
            foreach (var node in batch) effects[places[node.Index]] = default;
            using var relay = new NodeRelay(clean, state.Metric, site => state.ResidualGradient(_model.Bundle.Sites[site], estimator));
            var isRight = relay.Run(batch, (node, effect) =>
            {
                ref var found = ref effects[places[node.Index]];
                found = new(effect, found.Levels == 0 ? float.NaN : found.Effect, found.Levels + 1, node.IsExact);
            });
            Operations += relay.Operations;
            return isRight;
        }
    }

    // as many as one pass may have, the unmoved one among them
    private int RowsPerPass() => RowsPerPass(_model, clean.Tokens.Count);

    /// <summary>How many rows one pass over a prompt has at most, the unmoved one among them.</summary>
    public static int RowsPerPass(LoadedModel model, int positions)
    {
        var widest = Math.Max((long)positions * model.Bundle.Sites.Max(model.WidthOf), model.VocabularySize);
        return BatchRows.Of(model.Context.MemoryBudget, MovedSteps.Of(model).BytesPerRow(positions), widest, 2);
    }

    /// <summary>Every node, run as deep.</summary>
    public List<CausalNode> All(IReadOnlyList<CausalNode> nodes, int depth)
    {
        var effects = Effects([.. Enumerable.Range(0, nodes.Count)], depth);
        return [.. nodes.Zip(effects, With)];
    }

    /// <summary>The node with what moving it has shown; its error is how far the last two levels disagree.</summary>
    public static CausalNode With(CausalNode node, MovedEffect found) => node with
    {
        Effect = found.Effect,
        Exact = found.IsExact ? found.Effect : float.NaN,
        Method = found.IsExact ? NodeMethods.Exact : NodeMethods.OfDepth(found.Levels),
        EffectError = found.IsExact ? 0 : Math.Abs(found.Effect - (found.Levels > 1 ? found.Before : node.Attribution)),
    };

    /// <summary>The block that a site's nodes begin at: the number of blocks for the last residual site.</summary>
    public static int LayerOf(Site site, int layers) => site.IsLast ? layers : site.Layer;

    /// <summary><see cref="MovedNode.End"/> of a site's nodes.</summary>
    /// <param name="depth">K, from 1; <see cref="Whole"/>: all the way.</param>
    public static int EndOf(LoadedModel model, Site site, int depth)
    {
        var layers = model.Bundle.Manifest.NLayers;
        var to = depth == Whole ? layers : LayerOf(site, layers) + depth;
        return to >= layers ? MovedNode.ToMetric : model.SiteIndex($"blocks.{to}.hook_resid_pre");
    }

    private MovedNode[] Rows(IReadOnlyList<int> nodes, int depth)
    {
        var rows = new List<MovedNode>(nodes.Count);
        var (place, at) = (0, -1);
        foreach (var index in nodes.Order())
        {
            while (state.Sites[place].FirstNode + state.Sites[place].Nodes.Count <= index) place++;
            var site = state.Sites[place];
            if (at < 0 || _model.Bundle.Sites[at] != site.Site) at = _model.SiteIndex(site.Site.Name);
            rows.Add(new MovedNode(index, site, at, EndOf(_model, site.Site, depth)));
        }
        return [.. rows];
    }
}
