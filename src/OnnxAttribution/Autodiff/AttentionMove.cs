using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// One graph that yields what moves of a tensor do to an attention pattern through one side of its scores, queries or keys, times gradients
/// of the pattern.
/// 1. The other side stays at its clean value; the moved one is computed again by the model's own operators, norm included.
/// 2. Masks, scales and the softmax run over the whole pattern: of a moved query one row changes, of a moved key one column, and every row
///    that reads it is normalised again.
/// 3. Σ over heads, queries and keys of gradient ∘ (moved pattern − clean pattern).
/// </summary>
/// <remarks>The fix for queries and keys of AtP*, Kramár et al. 2024 (arXiv:2403.00745), section 3.1.</remarks>
internal static class AttentionMove
{
    /// <summary>float32 [passes, H T T]: gradients of the pattern, each one vector.</summary>
    public const string Gradients = "pattern.gradient";

    /// <summary>Output float32 [whole, passes]: the unmoved row is the first.</summary>
    public const string Effects = "pattern.effect";

    /// <param name="moved">The tensor that is moved, [1, position, d]; inputs as in <see cref="MoveInputs"/>.</param>
    /// <param name="pattern">What attention's softmax yields, [1, H, position, position].</param>
    /// <param name="held">The side of the scores that stays as it is.</param>
    /// <param name="stops">All tensors the model is cut at, the moved one among them.</param>
    public static OnnxGraph Build(Value moved, Value pattern, Value held, IReadOnlyList<Value> stops)
    {
        var ops = Topology.Between([.. stops, held], [pattern]);
        var forms = new MovedForms([moved], ops, [], [pattern]);
        var g = new GraphBuilder("attention/");
        var inputs = new MoveInputs(g, [moved]);
        var gradients = g.Input(Gradients, DataType.Float, Dim.Named("passes"), Dim.Named("pattern"));
        var run = new MovedRun(g, forms, inputs);
        foreach (var op in ops.Where(forms.Moves)) run.Step(op);
        var change = g.Reshape(g.Sub(run.Whole(pattern), pattern), 0, -1);                       // [whole, H T T]
        var effects = g.Identity(g.MatMul(change, g.Transpose(gradients, 1, 0)), Effects);
        Value[] given = [.. inputs.All, gradients];
        return new OnnxGraph([.. given, .. Topology.ReadBy([effects], stops, given)], [effects]);
    }
}
