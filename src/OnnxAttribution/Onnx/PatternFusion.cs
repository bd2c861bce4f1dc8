namespace OnnxAttribution.Onnx;

/// <summary>LayerNorm, RMSNorm and GELU that an exporter spelled out in smaller operators, put together again:
/// estimators tell them by their operator, and one operator runs faster than nine.</summary>
/// <remarks>Recognised by what is computed, not by the order in which it is written:
/// GELU's inner function is read as a polynomial.</remarks>
internal static class PatternFusion
{
    // constants are written in float32 or rounded by hand (0.7978845608)
    private const double Rounding = 1e-5;

    private static readonly double s_root = Math.Sqrt(2 / Math.PI);

    /// <summary>What the operator together with those before it computes; null where it is no such pattern's last.</summary>
    public static Value? Fuse(GraphBuilder g, Op op, Value?[] inputs) => op.Type switch
    {
        "Div" => Normalized(g, inputs[0]!, inputs[1]!) ?? ByRoot(g, inputs[0]!, inputs[1]!),
        "Mul" => ByInverse(g, inputs[0]!, inputs[1]!) ?? ByInverse(g, inputs[1]!, inputs[0]!) ?? Scaled(g, inputs[0]!, inputs[1]!)
            ?? Scaled(g, inputs[1]!, inputs[0]!) ?? Gelu(g, inputs[0]!, inputs[1]!),
        "Add" => Shifted(g, inputs[0]!, inputs[1]!) ?? Shifted(g, inputs[1]!, inputs[0]!),
        _ => null,
    };

    // (x − mean x) / √(mean (x − mean x)² + ε)
    private static Value? Normalized(GraphBuilder g, Value centred, Value root)
    {
        if (centred.Producer is not { Type: "Sub" } sub || sub.In[0] is not { } x || !IsMean(sub.In[1]!, x)) return null;
        return Epsilon(root, centred) is { } epsilon ? Norm(g, "LayerNormalization", x, epsilon) : null;
    }

    // x / √(mean x² + ε)
    private static Value? ByRoot(GraphBuilder g, Value x, Value root) =>
        Epsilon(root, x) is { } epsilon ? Norm(g, "RMSNormalization", x, epsilon) : null;

    // x · 1 / √(mean x² + ε)
    private static Value? ByInverse(GraphBuilder g, Value x, Value inverse) => inverse.Producer switch
    {
        { Type: "Reciprocal" } op => ByRoot(g, x, op.In[0]!),
        { Type: "Div" } op when Constants.Scalar(op.In[0]!) == 1 => ByRoot(g, x, op.In[1]!),
        _ => null,
    };

    // ε of √(mean of² + ε)
    private static double? Epsilon(Value root, Value of)
    {
        if (root.Producer is not { Type: "Sqrt" } sqrt || sqrt.In[0]!.Producer is not { Type: "Add" } add) return null;
        var (variance, epsilon) = Constants.Scalar(add.In[1]!) is { } e ? (add.In[0]!, e) : (add.In[1]!, Constants.Scalar(add.In[0]!));
        return variance.Producer is { Type: "ReduceMean" } mean && IsSquare(mean.In[0]!, of) && IsMean(variance, mean.In[0]!)
            ? epsilon
            : null;
    }

    private static Value? Norm(GraphBuilder g, string type, Value x, double epsilon) =>
        x.Shape is [.., { Size: { } width }] ? g.Emit(type, [x, g.Ones(width)], ("axis", -1L), ("epsilon", (float)epsilon)) : null;

    private static Value? Scaled(GraphBuilder g, Value normalized, Value scale) =>
        normalized.Producer is { Type: "LayerNormalization" or "RMSNormalization", In.Count: 2 } norm
            && normalized.Shape is [.., { Size: { } width }] && norm.In[1] == g.Ones(width) && IsRow(scale, normalized)
            ? g.Emit(norm.Type, [norm.In[0], scale], ("axis", -1L), ("epsilon", norm.Float("epsilon", 1e-5f))) : null;

    private static Value? Shifted(GraphBuilder g, Value scaled, Value shift) =>
        scaled.Producer is { Type: "LayerNormalization", In.Count: 2 } norm && IsRow(shift, scaled)
            ? g.Emit("LayerNormalization", [norm.In[0], norm.In[1], shift], ("axis", -1L), ("epsilon", norm.Float("epsilon", 1e-5f)))
            : null;

    private static bool IsRow(Value v, Value like) =>
        v.IsFixed && v.IsFloat && v.Shape is [{ Size: { } n }] && like.Shape is [.., { Size: { } width }] && n == width;

    private static bool IsMean(Value mean, Value of) =>
        mean.Producer is { Type: "ReduceMean" } op && op.In[0] == of && op.Int("keepdims", 1) != 0
            && of.Shape is { } shape && op.IntsOf("axes", 1) is [var axis] && ShapeInference.Axis(axis, shape.Length) == shape.Length - 1;

    private static bool IsSquare(Value square, Value of) => square.Producer switch
    {
        { Type: "Pow" } pow => pow.In[0] == of && Constants.Scalar(pow.In[1]!) == 2,
        { Type: "Mul" } mul => mul.In[0] == of && mul.In[1] == of,
        _ => false,
    };

    // ½ x (1 + erf(x/√2)), or ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), in any order of the factors
    private static Value? Gelu(GraphBuilder g, Value left, Value right)
    {
        var factors = new List<Value>();
        var number = 1.0;
        void Add(Value v, int depth)
        {
            if (Constants.Scalar(v) is { } c && v.IsFloat)
            {
                number *= c;
            }
            else if (depth < 3 && v.Producer is { Type: "Mul" } mul)
            {
                Add(mul.In[0]!, depth + 1);
                Add(mul.In[1]!, depth + 1);
            }
            else
            {
                factors.Add(v);
            }
        }
        Add(left, 0);
        Add(right, 0);
        if (factors.Count != 2 || !Near(number, 0.5)) return null;
        return Gate(g, factors[0], factors[1]) ?? Gate(g, factors[1], factors[0]);
    }

    private static Value? Gate(GraphBuilder g, Value x, Value gate)
    {
        if (gate.Producer is not { Type: "Add" } add) return null;
        var turn = Constants.Scalar(add.In[0]!) == 1 ? add.In[1] : Constants.Scalar(add.In[1]!) == 1 ? add.In[0] : null;
        if (turn?.Producer is not { Type: "Erf" or "Tanh" } op || Polynomial(op.In[0]!, x, 0) is not { } p) return null;
        var exact = op.Type == "Erf";
        double[] wanted = exact ? [0, Math.Sqrt(0.5), 0, 0] : [0, s_root, 0, 0.044715 * s_root];
        return p.Zip(wanted).All(c => Near(c.First, c.Second)) ? g.Emit("Gelu", [x], ("approximate", exact ? "none" : "tanh")) : null;
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) <= Rounding;

    // coefficients of 1, x, x², x³; null where the value is no polynomial in x of at most that degree
    private static double[]? Polynomial(Value v, Value x, int depth)
    {
        if (v == x) return [0, 1, 0, 0];
        if (v.IsFloat && Constants.Scalar(v) is { } c) return [c, 0, 0, 0];
        if (depth > 8 || v.Producer is not { } op || op.Type is not ("Add" or "Sub" or "Mul" or "Div" or "Pow")) return null;
        if (Polynomial(op.In[0]!, x, depth + 1) is not { } a) return null;
        if (op.Type == "Pow")
        {
            return Constants.Scalar(op.In[1]!) switch
            {
                2 => Product(a, a),
                3 => Product(a, a) is { } square ? Product(square, a) : null,
                _ => null
            };
        }
        if (Polynomial(op.In[1]!, x, depth + 1) is not { } b) return null;
        return op.Type switch
        {
            "Add" => [.. a.Zip(b, (p, q) => p + q)],
            "Sub" => [.. a.Zip(b, (p, q) => p - q)],
            "Mul" => Product(a, b),
            _ => b[1..].All(q => q == 0) && b[0] != 0 ? [.. a.Select(p => p / b[0])] : null,
        };
    }

    private static double[]? Product(double[] a, double[] b)
    {
        var product = new double[4];
        for (var i = 0; i < 4; i++)
        {
            for (var j = 0; j < 4; j++)
            {
                var c = a[i] * b[j];
                if (c == 0) continue;
                if (i + j > 3) return null;
                product[i + j] += c;
            }
        }
        return product;
    }
}
