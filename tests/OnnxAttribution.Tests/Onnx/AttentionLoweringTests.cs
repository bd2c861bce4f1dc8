using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Tests.Autodiff;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
using Options = OnnxAttribution.Tests.Reference.AttentionReference.Options;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Attention and RotaryEmbedding in other operators: against ONNX Runtime's own kernels,
/// against their definitions in double, and their gradients against central differences of these.</summary>
public sealed class AttentionLoweringTests
{
    private const int Batch = 2, Positions = 3, Width = 4;

    // the scale and softcap are float32 constants: 6e-8 of themselves
    private const double Float32Constants = 1e-6, Float32 = 1e-5;

    private static readonly Dictionary<string, (Options Options, string Mask)> s_cases = new()
    {
        ["four axes"] = (new(), ""),
        ["causal"] = (new(Causal: true), ""),
        ["heads side by side, causal"] = (new(Heads: (2, 2), Causal: true), ""),
        ["grouped heads"] = (new(Heads: (4, 2), Causal: true), ""),
        ["one head of keys"] = (new(Heads: (4, 1)), ""),
        ["scale"] = (new(Scale: 0.25, Causal: true), ""),
        ["softcap"] = (new(Softcap: 1.5, Causal: true), ""),
        ["softcap and mask"] = (new(Softcap: 1.5), "bool [T, S]"),
        ["float mask"] = (new(), "float [T, S]"),
        ["float mask by head, causal"] = (new(Causal: true), "float [B, H, T, S]"),
        ["bool mask by prompt"] = (new(Heads: (2, 2)), "bool [B, 1, T, S]"),
        ["bool mask, causal"] = (new(Causal: true), "bool [B, 1, T, S]"),
    };

    public static TheoryData<string> Cases => [.. s_cases.Keys];

    [Theory, MemberData(nameof(Cases))]
    public void Attention_is_what_the_runtimes_own_kernel_computes(string name)
    {
        foreach (var opset in (int[])[23, 24])
        {
            var c = Case(name);
            var itself = new OnnxGraph(c.Inputs, [c.Itself]) { OpsetVersion = opset };
            DirectionBatch.AssertClose(Float32Run.Run(itself.ToProto(), c.Values)["itself"],
                Float32Run.Run(new OnnxGraph(c.Inputs, [c.Lowered]).ToProto(), c.Values)["made"], Float32);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Attention_is_what_its_definition_says(string name)
    {
        var c = Case(name);
        var made = DoubleInterpreter.Run(new OnnxGraph(c.Inputs, [c.Lowered]).ToProto().Graph, c.Values)["made"];
        DirectionBatch.AssertClose(Defined(name, c.Values), made, Float32Constants);
        Assert.Equal(made.Shape.Select(n => (long?)n), c.Lowered.Shape!.Select(d => d.Size));
        Assert.Equal(c.Itself.Shape, c.Lowered.Shape);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Its_gradient_equals_central_differences_of_its_definition(string name)
    {
        var c = Case(name);
        var g = new GraphBuilder("gradient/");
        var zBar = g.Input("z.bar", DataType.Float, [Dim.Of(1), .. c.Lowered.Shape!]);
        var bars = PullBack.FromWhole(new WalkScope(g, GradientRules.Gradient, c.Inputs), c.Lowered, zBar, c.Inputs[..3]);
        var direction = Random(9, [.. c.Lowered.Shape!.Select(d => (int)d.Size!.Value)]);
        var model = new OnnxGraph([.. c.Inputs, zBar], [.. c.Inputs[..3].Select(x => g.Identity(bars[x], x.Name + ".bar"))]).ToProto();
        var actual = DoubleInterpreter.Run(model.Graph,
            new Dictionary<string, DoubleTensor>(c.Values) { ["z.bar"] = direction.Reshape([1, .. direction.Shape]) });
        foreach (var x in (string[])["q", "k", "v"])
        {
            DirectionBatch.AssertClose(Differences(name, c.Values, x, direction), DirectionBatch.Row(actual[x + ".bar"], 0),
                Float32Constants);
        }
    }

    [Theory]
    [InlineData("past_key", 4), InlineData("past_value", 5), InlineData("nonpad_kv_seqlen", 6)]
    public void A_cache_is_refused_by_name(string input, int at)
    {
        var (g, x) = Start();
        Value?[] inputs = [x, x, x, .. new Value?[at - 3], g.Input("cache", DataType.Float, [.. x.Shape!])];
        var e = Assert.Throws<GraphException>(() => OperatorLowering.Lower(g, Node(g, inputs, 1), inputs));
        Assert.Contains($"Attention 'node' reads a cache of earlier tokens ({input}: 'cache'); export the model without one", e.Message);
    }

    [Fact]
    public void A_cache_of_no_tokens_is_as_none()
    {
        var c = Case("causal");
        var g = new GraphBuilder("past/");
        var past = g.Constant("past", Constants.Of(ReadOnlySpan<float>.Empty, Batch, 2, 0, Width));
        Value?[] inputs = [.. c.Inputs, null, past, past];
        var itself = g.Emit("Attention", inputs, ["itself", "pk", "pv"], ("is_causal", 1L))[0];
        var made = g.Identity(OperatorLowering.Lower(g, itself.Producer!, inputs)![0], "made");
        DirectionBatch.AssertClose(Float32Run.Run(new OnnxGraph(c.Inputs, [itself]) { OpsetVersion = 23 }.ToProto(), c.Values)["itself"],
            Float32Run.Run(new OnnxGraph(c.Inputs, [made]).ToProto(), c.Values)["made"], Float32);
    }

    [Fact]
    public void Scores_that_are_asked_for_and_half_precision_are_refused_by_name()
    {
        var (g, x) = Start();
        Value?[] inputs = [x, x, x];
        Assert.Contains("Attention 'node' yields its scores too", Assert.Throws<GraphException>(() =>
            OperatorLowering.Lower(g, Node(g, inputs, 4, ("qk_matmul_output_mode", 1L)), inputs)).Message);
        Assert.Contains("softmax in Float16",
            Assert.Throws<GraphException>(() => OperatorLowering.Lower(g, Node(g, inputs, 1, ("softmax_precision", 10L)), inputs)).Message);
        Assert.NotNull(OperatorLowering.Lower(g, Node(g, inputs, 3, ("softmax_precision", 1L)), inputs));
    }

    [Theory]
    [InlineData(false, 0, false, false), InlineData(false, 2, false, false), InlineData(true, 0, false, false),
        InlineData(true, 2, true, false), InlineData(false, 0, true, true), InlineData(true, 2, false, true)]
    public void A_rotary_embedding_is_what_the_runtimes_kernel_and_its_definition_compute(bool flat, int turned,
        bool interleaved, bool looksUp)
    {
        var g = new GraphBuilder();
        var shape = flat ? (int[])[Batch, Positions, 2 * Width] : [Batch, 2, Positions, Width];
        var x = Input(g, "x", shape);
        var half = (turned > 0 ? turned : Width) / 2;
        var (cos, sin) =
            (Random(2, looksUp ? [7, half] : [Batch, Positions, half]), Random(3, looksUp ? [7, half] : [Batch, Positions, half]));
        Value Table(string name, DoubleTensor t) =>
            g.Constant(name, Constants.Of([.. t.Data.Select(d => (float)d)], [.. t.Shape.Select(n => (long)n)]));
        long[] places = [0, 1, 2, 4, 5, 6];
        Value?[] inputs = [x, Table("cos", cos), Table("sin", sin),
            .. looksUp ? [g.Constant("places", Constants.Of(places, Batch, Positions))] : (Value?[])[]];
        var itself = g.Emit("RotaryEmbedding", inputs, ["itself"], ("interleaved", interleaved ? 1L : 0L),
            ("rotary_embedding_dim", (long)turned), ("num_heads", flat ? 2L : 0L))[0];
        var made = g.Identity(OperatorLowering.Lower(g, itself.Producer!, inputs)![0], "made");
        var values = new Dictionary<string, DoubleTensor> { ["x"] = Random(1, shape) };
        DoubleTensor At(DoubleTensor table) =>
            looksUp ? DoubleTensor.Tabulate([Batch, Positions, half], i => table.At((int)places[(i[0] * Positions) + i[1]], i[2])) : table;
        var defined = AttentionReference.Rotary(values["x"], (At(cos), At(sin)), flat ? 2 : null, 2 * half, interleaved);
        DirectionBatch.AssertClose(defined, DoubleInterpreter.Run(new OnnxGraph([x], [made]).ToProto().Graph, values)["made"],
            Float32Constants);
        DirectionBatch.AssertClose(Float32Run.Run(new OnnxGraph([x], [itself]).ToProto(), values)["itself"],
            Float32Run.Run(new OnnxGraph([x], [made]).ToProto(), values)["made"], Float32);
        Assert.All(new OnnxGraph([x], [made]).Ops(), o => Assert.Contains(o.Type, VjpRules.Table.Keys));
    }

    private sealed record Made(Value[] Inputs, Dictionary<string, DoubleTensor> Values, Value Itself, Value Lowered);

    private static Made Case(string name)
    {
        var (options, mask) = s_cases[name];
        var g = new GraphBuilder();
        var (queries, keys) = options.Heads ?? (2, 2);
        int[] Shape(int heads) => options.Heads is null ? [Batch, heads, Positions, Width] : [Batch, Positions, heads * Width];
        var values = new Dictionary<string, DoubleTensor>
        {
            ["q"] = Random(1, Shape(queries)),
            ["k"] = Random(2, Shape(keys)),
            ["v"] = Random(3, Shape(keys))
        };
        Value[] inputs = [.. values.Select(v => Input(g, v.Key, v.Value.Shape))];
        Value?[] all = Mask(mask) is { } m ? [.. inputs, MaskConstant(g, mask, m)] : [.. inputs];
        List<(string, object)> attributes = [("is_causal", options.Causal ? 1L : 0L)];
        if (options.Heads is not null) attributes.AddRange([("q_num_heads", (long)queries), ("kv_num_heads", (long)keys)]);
        if (options.Scale is { } scale) attributes.Add(("scale", (float)scale));
        if (options.Softcap > 0) attributes.Add(("softcap", (float)options.Softcap));
        var itself = g.Emit("Attention", all, ["itself"], [.. attributes])[0];
        return new Made(inputs, values, itself, g.Identity(OperatorLowering.Lower(g, itself.Producer!, all)![0], "made"));
    }

    private static DoubleTensor Defined(string name, IReadOnlyDictionary<string, DoubleTensor> at) =>
        AttentionReference.Attention(at["q"], at["k"], at["v"], Mask(s_cases[name].Mask),
            s_cases[name].Options with { MaskIsBool = s_cases[name].Mask.StartsWith("bool", StringComparison.Ordinal) });

    private static DoubleTensor Differences(string name, Dictionary<string, DoubleTensor> values, string input, DoubleTensor zBar)
    {
        const double h = CentralDifferences.Step;
        return new(values[input].Shape, [.. Enumerable.Range(0, values[input].Data.Length).Select(i =>
        {
            double At(double by)
            {
                var moved = new DoubleTensor(values[input].Shape, [.. values[input].Data]);
                moved.Data[i] += by;
                return Defined(name, new Dictionary<string, DoubleTensor>(values) { [input] = moved }).Dot(zBar);
            }
            return ((8 * (At(h) - At(-h))) - (At(2 * h) - At(-2 * h))) / (12 * h);
        })]);
    }

    // every query sees its own key
    private static DoubleTensor? Mask(string mask)
    {
        int[]? shape = mask.Split(' ', 2) switch
        {
            [_, "[T, S]"] => [Positions, Positions],
            [_, "[B, H, T, S]"] => [Batch, 2, Positions, Positions],
            [_, "[B, 1, T, S]"] => [Batch, 1, Positions, Positions],
            _ => null
        };
        if (shape is null) return null;
        var random = Random(4, shape);
        return mask.StartsWith("float", StringComparison.Ordinal)
            ? random
            : DoubleTensor.Tabulate(shape, i => i[^1] == i[^2] || random.At(i) > 0 ? 1 : 0);
    }

    private static Value MaskConstant(GraphBuilder g, string mask, DoubleTensor content)
    {
        long[] shape = [.. content.Shape.Select(n => (long)n)];
        return g.Constant("mask", mask.StartsWith("bool", StringComparison.Ordinal)
            ? Constants.Of([.. content.Data.Select(d => d != 0)], shape)
            : Constants.Of([.. content.Data.Select(d => (float)d)], shape));
    }

    private static (GraphBuilder, Value) Start()
    {
        var g = new GraphBuilder();
        return (g, Input(g, "x", [Batch, 2, Positions, Width]));
    }

    private static Op Node(GraphBuilder g, Value?[] inputs, int outputs, params (string, object)[] attributes)
    {
        var op = new Op("Attention", "", "node", inputs, g.Emit("Identity", [inputs[0]], attributes).Producer!.Attributes);
        GraphBuilder.Attach(op, [.. Enumerable.Range(0, outputs).Select(i => $"out{i}")]);
        return op;
    }

    private static Value Input(GraphBuilder g, string name, int[] shape) =>
        g.Input(name, DataType.Float, [.. shape.Select(n => Dim.Of(n))]);

    // float32 numbers, so that a constant in a graph is the same
    private static DoubleTensor Random(int seed, int[] shape)
    {
        var random = new Random(seed);
        return DoubleTensor.Zeros(shape).Map(_ => (2 * random.NextSingle()) - 1);
    }
}
