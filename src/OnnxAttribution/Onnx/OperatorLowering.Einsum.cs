namespace OnnxAttribution.Onnx;

internal static partial class OperatorLowering
{
    /// <summary>Einsum of two tensors as a matrix product, of one as a transposition;
    /// null for all others: traces, several axes summed or free at once.</summary>
    // letters are of four kinds: in both and the result (batch), in both only (summed), in one and the result (free)
    private static Value? Einsum(GraphBuilder g, Op op, Value?[] inputs)
    {
        var equation = op.Text("equation", "").Replace(" ", "");
        var sides = equation.Split("->");
        if (sides.Length != 2 || equation.Contains('.')) return null;
        var terms = sides[0].Split(',');
        var result = sides[1];
        if (terms.Length != inputs.Length || terms.Append(result).Any(t => t.Distinct().Count() != t.Length)) return null;
        if (terms.Where((t, i) => inputs[i]!.Shape is not { } s || s.Length != t.Length).Any()) return null;
        if (terms is [var one])
        {
            return one.Length == result.Length && one.Order().SequenceEqual(result.Order()) ? Turned(g, inputs[0]!, one, result) : null;
        }
        if (terms is not [var left, var right]) return null;
        var batch = string.Concat(left.Where(c => right.Contains(c) && result.Contains(c)));
        var summed = string.Concat(left.Where(c => right.Contains(c) && !result.Contains(c)));
        string freeLeft = string.Concat(left.Where(c => !right.Contains(c))),
            freeRight = string.Concat(right.Where(c => !left.Contains(c)));
        if (summed.Length > 1 || freeLeft.Length > 1 || freeRight.Length > 1 || (freeLeft + freeRight).Any(c => !result.Contains(c)))
        {
            return null;
        }
        if (result.Any(c => !(batch + freeLeft + freeRight).Contains(c))) return null;
        // [batch, left, summed] and [batch, summed, right], with axes of size 1 for those that are missing
        var x = Turned(g, inputs[0]!, left, batch + freeLeft + summed);
        var y = Turned(g, inputs[1]!, right, batch + summed + freeRight);
        if (freeLeft.Length == 0) x = g.Unsqueeze(x, batch.Length);
        if (freeRight.Length == 0) y = g.Unsqueeze(y, batch.Length + summed.Length);
        if (summed.Length == 0)
        {
            // an outer product: [batch, left, 1] ∘ [batch, 1, right]
            x = g.Unsqueeze(x, batch.Length + 1);
            y = g.Unsqueeze(y, batch.Length);
        }
        var z = summed.Length == 0 ? g.Mul(x, y) : g.MatMul(x, y);
        var made = batch + freeLeft + freeRight;
        if (freeLeft.Length == 0) z = g.Squeeze(z, batch.Length);
        if (freeRight.Length == 0) z = g.Squeeze(z, -1);
        return Turned(g, z, made, result);
    }

    private static Value Turned(GraphBuilder g, Value v, string from, string to) =>
        from == to ? v : g.Transpose(v, [.. to.Select(c => from.IndexOf(c))]);
}
