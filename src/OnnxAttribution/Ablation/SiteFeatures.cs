using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>A selected site with a dictionary: its features in the clean run, and what ablating each adds to its activation.</summary>
internal sealed class SiteFeatures
{
    private readonly SparseEncoding _clean;
    private readonly float _coefficient;

    /// <param name="index">The site's index among the selected.</param>
    public SiteFeatures(ActivationCache clean, int index, AblationOptions options)
    {
        (Index, Site, _coefficient) = (index, clean.Model.Selected[index], options.Coefficient);
        _clean = clean.Encode(Site);
        Nodes = [.. options.Positions switch
        {
            AblationPositions.All =>
                _clean.Features.SelectMany(f => f).Distinct().Order().Select(f => new NodeKey(index, TokenPosition.All, f)),
            AblationPositions.Last => _clean.Features[^1].Select(f => new NodeKey(index, _clean.Positions - 1, f)),
            _ => _clean.Features.SelectMany((features, p) => features.Select(f => new NodeKey(index, p, f))),
        }];
    }

    /// <summary>The site's index among the selected.</summary>
    public int Index { get; }

    public Site Site { get; }

    /// <summary>What is ablated, one at a time, in the order of the keys;
    /// position −1 is every position where the feature is active.</summary>
    public NodeKey[] Nodes { get; }

    /// <summary>The feature's activation in the clean run; at position −1 summed over positions.</summary>
    public float Activation(int position, int feature) => position != TokenPosition.All ? _clean.ActivationOf(position, feature)
        : Enumerable.Range(0, _clean.Positions).Sum(p => _clean.ActivationOf(p, feature));

    /// <summary>(c − 1) · f · decoder row, at each position where the feature is active and ablated.</summary>
    /// <param name="node">Index in <see cref="Nodes"/>.</param>
    /// <param name="row">Row of the pass.</param>
    /// <returns>Row, position and change [d].</returns>
    public IEnumerable<(int Row, int Position, ReadOnlyMemory<float> Change)> Changes(int node, int row)
    {
        var (_, at, feature) = Nodes[node];
        var (first, last) = at == TokenPosition.All ? (0, _clean.Positions - 1) : (at, at);
        for (var p = first; p <= last; p++)
        {
            var by = (_coefficient - 1) * _clean.ActivationOf(p, feature) * _clean.Scales[p];
            if (by == 0) continue;
            var change = new float[_clean.Width];
            TensorPrimitives.Multiply(_clean.Decoder[feature], by, change);
            yield return (row, p, change);
        }
    }
}
