using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dictionaries;

/// <summary>A kind of encoder as a graph: <c>pre = s ∘ ((x − b_dec) W_enc) + b_enc</c>, and where it is to find them the active features.
/// Dictionaries of one kind share the graph.</summary>
internal readonly record struct EncoderGraph
{
    /// <summary>Dense pre-activations [rows, n]; where the graph finds the active features, their activations.</summary>
    public const string Values = "values";

    private const string Indices = "indices";

    public bool SubtractsBias { get; init; }
    public bool Scales { get; init; }

    /// <summary>The graph looks for the active features, so that the dense activations need not leave the device.</summary>
    public bool Finds { get; init; }

    /// <summary>Of TopK, where the graph finds the active features.</summary>
    public int? K { get; init; }
    public bool HasThreshold { get; init; }

    /// <summary>Of TopK: what is below 0 among the k largest stays.</summary>
    public bool KeepsSign { get; init; }

    /// <summary>W_enc is given as its transpose, [n, d].</summary>
    public bool InRows { get; init; }

    /// <summary>The dictionary's directory, where its weights are constants of the graph; null: they are inputs.</summary>
    public string? Packed { get; init; }

    /// <param name="dictionary">One of the kind; the one whose weights are packed.</param>
    public OnnxGraph Build(SparseDictionary dictionary)
    {
        var g = new GraphBuilder("sae/");
        Dim t = Dim.Named("position"), d = Dim.Named("d"), n = Dim.Named("n");
        if (Packed is not null) (d, n) = (Dim.Of(dictionary.Width), Dim.Of(dictionary.FeatureCount));
        var inputs = new List<Value>();
        Value Input(string name, params Dim[] shape)
        {
            inputs.Add(g.Input(name, DataType.Float, shape));
            return inputs[^1];
        }
        var isPacked = Packed is not null;
        Value Weight(string name, TensorEntry? entry, params Dim[] shape) => isPacked && entry is not null
            ? g.Constant(name,
                Constants.External(DataType.Float, entry.Shape.AsSpan(), SaeLensDictionary.WeightsFileName, entry.Offset, entry.Length))
            : Input(name, shape);
        var x = Input("x", t, d);
        var (wEnc, bEnc) = (Weight("W_enc", dictionary.EncoderWeightsEntry, InRows ? n : d, InRows ? d : n),
            Weight("b_enc", dictionary.EncoderBiasEntry, n));
        var centred = SubtractsBias ? g.Sub(x, Input("b_dec", d)) : x;
        (string, object)[] layout = InRows ? [("transB", 1L)] : [];
        var pre = Scales
            ? g.Add(g.Mul(g.Emit("Gemm", [centred, wEnc], layout), Input("scale", n)), bEnc)   // [T, n]
            : g.Emit("Gemm", [centred, wEnc, bEnc], layout);
        if (!Finds) return new OnnxGraph(inputs, [g.Identity(pre, Values)]);
        var (values, indices) = K is { } k ? Largest(g, pre, k, KeepsSign) : NonZero(g, pre, HasThreshold ? Input("threshold", n) : null);
        return new OnnxGraph(inputs, [g.Identity(values, Values), g.Identity(indices, Indices)]);
    }

    /// <summary>Adds what a graph that finds the active features has found.</summary>
    /// <param name="rows">That it was given.</param>
    public static void AddFound(RunResult result, int rows, int? k, SparseRows to)
    {
        var values = result.Floats(Values);
        var indices = result.Integers(Indices);
        for (int row = 0, at = 0; row < rows; row++)
        {
            var end = at + (k ?? 0);
            while (k is null && end < values.Length && indices[end] == row) end++;
            var features = to.Open(end - at, out var activations);
            var count = 0;
            for (; at < end; at++)
            {
                if (values[at] == 0) continue;   // TopK's, where fewer than k are above 0
                (features[count], activations[count++]) = ((int)indices[k is null ? values.Length + at : at], values[at]);
            }
            features[..count].Sort(activations[..count]);
            to.Close(count);
        }
    }

    // [T, k] each, unsorted
    private static (Value Values, Value Indices) Largest(GraphBuilder g, Value pre, int k, bool keepsSign)
    {
        var top = g.Emit("TopK", [pre, g.Ints(k)], 2, ("axis", -1L), ("sorted", 0L));
        return (keepsSign ? top[0] : g.Relu(top[0]), top[1]);
    }

    // [K] and [2, K], row by row
    private static (Value Values, Value Indices) NonZero(GraphBuilder g, Value pre, Value? threshold)
    {
        var f = threshold is null ? g.Relu(pre) : g.Where(g.Greater(pre, threshold), pre, g.Scalar(0));
        var indices = g.Emit("NonZero", [f]);
        return (g.Emit("GatherND", [f, g.Transpose(indices, 1, 0)]), indices);
    }
}
