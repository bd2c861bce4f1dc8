using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Ablation;

/// <summary>A selected site with a dictionary: its features in the clean run, and what ablating each adds to its activation.</summary>
internal sealed class SiteFeatures(Site site, SparseDictionary dictionary, SparseEncoding clean, AblationOptions options)
{
    /// <summary>The position of a node that stands for all positions.</summary>
    public const int AllPositions = GraphSum.NoPosition;

    public Site Site { get; } = site;
    public SparseDictionary Dictionary { get; } = dictionary;
    public SparseEncoding Clean { get; } = clean;

    /// <summary>What is ablated, one at a time: positions and features ascending;
    /// position −1 is every position where the feature is active.</summary>
    public IReadOnlyList<(int Position, int Feature)> Nodes { get; } = options.Positions switch
    {
        AblationPositions.All => [.. clean.Features.SelectMany(f => f).Distinct().Order().Select(f => (AllPositions, f))],
        AblationPositions.Last => [.. clean.Features[^1].Select(f => (clean.Positions - 1, f))],
        _ => [.. clean.Features.SelectMany((features, p) => features.Select(f => (p, f)))],
    };

    /// <summary>The feature's activation in the clean run; at position −1 summed over positions.</summary>
    public float Activation(int position, int feature) => position != AllPositions ? Clean.ActivationOf(position, feature)
        : Enumerable.Range(0, Clean.Positions).Sum(p => Clean.ActivationOf(p, feature));

    /// <summary>(c − 1) · f · decoder row, at each position where the feature is active and ablated.</summary>
    /// <param name="row">Row of the pass.</param>
    public IEnumerable<(int Row, int Position, ReadOnlyMemory<float> Change)> Changes(int node, int row)
    {
        var (at, feature) = Nodes[node];
        var (first, last) = at == AllPositions ? (0, Clean.Positions - 1) : (at, at);
        for (var p = first; p <= last; p++)
        {
            var by = (options.Coefficient - 1) * Clean.ActivationOf(p, feature) * Clean.Scales[p];
            if (by == 0) continue;
            var change = new float[Clean.Width];
            TensorPrimitives.Multiply(Clean.Decoder[feature], by, change);
            yield return (row, p, change);
        }
    }
}
