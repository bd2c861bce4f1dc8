using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>
/// The function whose true derivative at a point an estimator is: what the estimator holds fixed has become a constant, of the value it has
/// at that point. LayerNormalization is (x − mean x) · k ∘ s + b with k = 1/σ, RMSNormalization x · k ∘ s; under relp Gelu is x · r with r
/// = gelu(x)/x, x · σ(x) is x · r with r = σ(x), and a · y with a out of one of these two is ½ a · [y] + ½ [a] · y, the bracketed factors
/// being their values; under frozen a Softmax is its value. Under gim a softmax of scores is 2 softmax(x/2) plus a constant, and a product
/// of two activations, or of a gate, is ½ a · [y] + ½ [a] · y.
/// </summary>
internal static class HeldFixed
{
    /// <returns>The graph without the fixed parts, and the point with their values, as further inputs.</returns>
    public static (GraphProto Graph, Dictionary<string, DoubleTensor> Point) At(GraphProto graph,
        IReadOnlyDictionary<string, DoubleTensor> at, string estimator)
    {
        var values = DoubleInterpreter.Run(graph, at);
        var point = new Dictionary<string, DoubleTensor>(at);
        var written = graph.Clone();
        written.Node.Clear();
        foreach (var node in graph.Node)
        {
            written.Node.AddRange((node.OpType, estimator) switch
            {
                ("LayerNormalization", "relp" or "frozen" or "gim") => WithScale(node, values, point),
                ("RMSNormalization", "relp" or "frozen" or "gim") => WithRootMeanSquare(node, values, point),
                ("Mul", "relp") when SigmoidOfTheOther(graph, node) is { } s => Silu(node, s, values, point),
                ("Mul", "relp" or "gim") when IsGate(graph, node) => Halved(node, values, point),
                ("MatMul", "gim") when OfActivations(graph, node) => Halved(node, values, point),
                ("Softmax", "gim") when OfScores(graph, node.Input[0]) => Tempered(node, values, point),
                ("Gelu", "relp") => WithRatio(node, values, point),
                ("Softmax", "frozen") => Constant(node, values, point),
                _ => [node],
            });
        }
        return (written, point);
    }

    private static IEnumerable<NodeProto> WithScale(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        var (z, x) = (node.Output[0], node.Input[0]);
        var statistics = node.Clone();
        statistics.Output.Clear();
        statistics.Output.AddRange(["", "", $"{z}.k"]);
        point[$"{z}.k"] = DoubleInterpreter.Run(new GraphProto { Node = { statistics } }, values)[$"{z}.k"];
        var rank = values[x].Rank;
        var axis = (int)(node.Attribute.FirstOrDefault(a => a.Name == "axis")?.I ?? -1);
        point[$"{z}.axes"] = new DoubleTensor([axis < 0 ? -axis : rank - axis],
            [.. Enumerable.Range(0, rank).Skip(axis < 0 ? rank + axis : axis).Select(i => (double)i)], isInteger: true);
        var biased = node.Input.Count > 2;
        yield return Node("ReduceMean", $"{z}.mean", x, $"{z}.axes");
        yield return Node("Sub", $"{z}.centred", x, $"{z}.mean");
        yield return Node("Mul", $"{z}.n", $"{z}.centred", $"{z}.k");
        yield return Node("Mul", biased ? $"{z}.scaled" : z, $"{z}.n", node.Input[1]);
        if (biased) yield return Node("Add", z, $"{z}.scaled", node.Input[2]);
    }

    private static IEnumerable<NodeProto> WithRatio(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        var (x, z) = (values[node.Input[0]], values[node.Output[0]]);
        point[$"{node.Output[0]}.r"] = new DoubleTensor(x.Shape, [.. z.Data.Zip(x.Data, (gelu, at) => gelu / at)]);
        yield return Node("Mul", node.Output[0], node.Input[0], $"{node.Output[0]}.r");
    }

    private static IEnumerable<NodeProto> WithRootMeanSquare(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        var (z, x) = (node.Output[0], values[node.Input[0]]);
        // the operator with scale 1, divided by x: what x is multiplied by
        var bare = node.Clone();
        bare.Input[1] = "one";
        var n = DoubleInterpreter.Run(new GraphProto { Node = { bare } },
            new Dictionary<string, DoubleTensor>(values) { ["one"] = new([1], [1.0]) })[z];
        point[$"{z}.k"] = new DoubleTensor(x.Shape, [.. n.Data.Zip(x.Data, (a, b) => a / b)]);
        yield return Node("Mul", $"{z}.n", node.Input[0], $"{z}.k");
        yield return Node("Mul", z, $"{z}.n", node.Input[1]);
    }

    private static IEnumerable<NodeProto> Silu(NodeProto node, string sigmoid, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        point[$"{node.Output[0]}.r"] = values[sigmoid];
        yield return Node("Mul", node.Output[0], node.Input.Single(i => i != sigmoid), $"{node.Output[0]}.r");
    }

    private static IEnumerable<NodeProto> Halved(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        var (z, a, y) = (node.Output[0], node.Input[0], node.Input[1]);
        (point[$"{z}.a"], point[$"{z}.y"], point[$"{z}.half"]) = (values[a], values[y], new DoubleTensor([], [0.5]));
        yield return Node(node.OpType, $"{z}.first", a, $"{z}.y");
        yield return Node(node.OpType, $"{z}.second", $"{z}.a", y);
        yield return Node("Add", $"{z}.sum", $"{z}.first", $"{z}.second");
        yield return Node("Mul", z, $"{z}.sum", $"{z}.half");
    }

    // twice softmax(x/2), moved to where softmax(x) is at the point
    private static IEnumerable<NodeProto> Tempered(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        var (z, x) = (node.Output[0], node.Input[0]);
        var at = values[x].Map(v => v / 2);
        var soft = node.Clone();
        (soft.Input[0], soft.Output[0]) = ($"{z}.cool", $"{z}.s");
        var tempered = DoubleInterpreter.Run(new GraphProto { Node = { soft } },
            new Dictionary<string, DoubleTensor> { [$"{z}.cool"] = at })[$"{z}.s"];
        (point[$"{z}.half"], point[$"{z}.two"]) = (new DoubleTensor([], [0.5]), new DoubleTensor([], [2.0]));
        point[$"{z}.rest"] = new DoubleTensor(at.Shape, [.. values[z].Data.Zip(tempered.Data, (a, b) => a - (2 * b))]);
        yield return Node("Mul", $"{z}.cool", x, $"{z}.half");
        yield return soft;
        yield return Node("Mul", $"{z}.twice", $"{z}.s", $"{z}.two");
        yield return Node("Add", z, $"{z}.twice", $"{z}.rest");
    }

    // neither factor follows from weights alone
    private static bool OfActivations(GraphProto graph, NodeProto product) => product.Input.All(i => Enters(graph, i));

    private static bool Enters(GraphProto graph, string value) => graph.Input.Any(i => i.Name == value)
        || (Maker(graph, value) is { OpType: not "Shape" } n && n.Input.Any(i => Enters(graph, i)));

    private static bool OfScores(GraphProto graph, string value) => Maker(graph, value) switch
    {
        { OpType: "MatMul" } n => OfActivations(graph, n),
        { OpType: "Where" or "Mul" or "Add" or "Reshape" } n => n.Input.Any(i => OfScores(graph, i)),
        _ => false,
    };

    private static string? SigmoidOfTheOther(GraphProto graph, NodeProto mul) =>
        mul.Input.FirstOrDefault(i =>
            Maker(graph, i) is { OpType: "Sigmoid" } s && mul.Input.Any(x => x != i && Origin(graph, x) == Origin(graph, s.Input[0])));

    private static bool IsGate(GraphProto graph, NodeProto mul)
    {
        bool Activation(string value) =>
            Maker(graph, value) is { } n && (n.OpType == "Gelu" || (n.OpType == "Mul" && SigmoidOfTheOther(graph, n) is not null));
        return mul.Input.Count(Activation) == 1 && !mul.Input.Any(i => graph.Initializer.Any(t => t.Name == i));
    }

    private static NodeProto? Maker(GraphProto graph, string value) =>
        graph.Node.FirstOrDefault(n => n.Output.Contains(Origin(graph, value)));

    private static string Origin(GraphProto graph, string value) =>
        graph.Node.FirstOrDefault(n => n.OpType == "Identity" && n.Output[0] == value) is { } n ? Origin(graph, n.Input[0]) : value;

    private static IEnumerable<NodeProto> Constant(NodeProto node, IReadOnlyDictionary<string, DoubleTensor> values,
        Dictionary<string, DoubleTensor> point)
    {
        point[node.Output[0]] = values[node.Output[0]];
        return [];
    }

    private static NodeProto Node(string type, string output, params string[] inputs) =>
        new() { Name = output, OpType = type, Input = { inputs }, Output = { output } };
}
