using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>From the final residual stream to the logits with the scale of the last norm held, under the rules of
/// <see cref="GradientRules.Frozen"/>: an affine map, and another one at every stream. A soft cap of the logits lies outside.</summary>
internal static class FrozenHead
{
    /// <summary>What tangents of the stream do to the logits.</summary>
    /// <param name="site">The last site, [1, position, d], from which alone the logits are read.</param>
    /// <param name="tangents">[rows, 1, position, d].</param>
    /// <returns>[rows, 1, position, vocabulary].</returns>
    public static Value Push(GraphBuilder g, OnnxGraph model, Value site, Value tangents)
    {
        var logits = SoftCap.Below(model[ModelBundle.Logits]);
        return PushForward.Run(new WalkScope(g, GradientRules.Frozen, [site]), new Dictionary<Value, Value> { [site] = tangents },
            [logits])[logits];
    }

    /// <summary>The stream's part in what cotangents say of the logits.</summary>
    /// <param name="site">As for <see cref="Push"/>.</param>
    /// <param name="cotangents">[1, 1, position, vocabulary].</param>
    /// <returns>[1, 1, position, d].</returns>
    public static Value Pull(GraphBuilder g, OnnxGraph model, Value site, Value cotangents) =>
        PullBack.FromWhole(new WalkScope(g, GradientRules.Frozen, [site]), SoftCap.Below(model[ModelBundle.Logits]), cotangents,
            [site])[site];
}
