using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Autodiff;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
using Options = OnnxAttribution.Tests.Reference.AttentionReference.Options;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Operators of com.microsoft in standard ones: against ONNX Runtime's own kernels, against definitions in double,
/// and their gradients against central differences.</summary>
public sealed class ContribOperatorsTests
{
    private const int Batch = 2, Positions = 5, Heads = 4, Shared = 2, Head = 16, Width = Heads * Head;

    private const double Float32 = 1e-5, Float32Constants = 1e-6;

    private static readonly Dictionary<string, Func<GraphSketch, GraphSketch>> s_cases = new()
    {
        ["SkipLayerNormalization"] = g => g.Weights("scale", Width).Weights("shift", Width)
            .Contrib("z = SkipLayerNormalization(x, y, scale, shift)", ("epsilon", 1e-5f)),
        ["SkipLayerNormalization with a bias and its sum"] = g => g.Weights("scale", Width).Weights("bias", Width)
            .Contrib("n, , , s = SkipLayerNormalization(x, y, scale, , bias)").Node("z = Mul(n, s)"),
        ["SkipLayerNormalization of a row"] = g => g.Weights("scale", Width).Weights("row", Positions, Width)
            .Contrib("z = SkipLayerNormalization(x, row, scale)"),
        ["SkipSimplifiedLayerNormalization"] = g => g.Weights("scale", Width)
            .Contrib("n, , , s = SkipSimplifiedLayerNormalization(x, y, scale)", ("epsilon", 1e-6f)).Node("z = Add(n, s)"),
        ["SkipSimplifiedLayerNormalization with a bias"] = g => g.Weights("scale", Width).Weights("bias", Width)
            .Contrib("z = SkipSimplifiedLayerNormalization(x, y, scale, bias)"),
        ["Gelu"] = g => g.Contrib("z = Gelu(x)"),
        ["FastGelu"] = g => g.Contrib("z = FastGelu(x)"),
        ["FastGelu with a bias"] = g => g.Weights("bias", Width).Contrib("z = FastGelu(x, bias)"),
        ["BiasGelu"] = g => g.Weights("bias", Width).Contrib("z = BiasGelu(x, bias)"),
        ["QuickGelu"] = g => g.Contrib("z = QuickGelu(x)"),
        ["QuickGelu with another alpha"] = g => g.Contrib("z = QuickGelu(x)", ("alpha", 1.3f)),
        ["FusedMatMul"] = g => g.Contrib("z = FusedMatMul(x, y)", ("transB", 1), ("alpha", 0.25f)),
        ["FusedMatMul turned"] = g => g.Weights("W", Positions, 3).Contrib("z = FusedMatMul(x, W)", ("transA", 1)),
        ["RotaryEmbedding"] = g => Tables(g).Contrib("z = RotaryEmbedding(x, places, cos, sin)", ("num_heads", Heads)),
        ["RotaryEmbedding counted from a number, interleaved"] = g => Tables(g).Ints("first", 2)
            .Contrib("z = RotaryEmbedding(x, first, cos, sin)", ("interleaved", 1)),
        ["RotaryEmbedding of a part"] = g => Tables(g, 1)
            .Contrib("z = RotaryEmbedding(x, places, cos, sin)", ("num_heads", Heads), ("rotary_embedding_dim", 2)),
        ["Attention"] = g => Packed(g).Contrib("z = Attention(x, W, b)", ("num_heads", Heads), ("unidirectional", 1)),
        ["Attention both ways"] = g => Packed(g).Contrib("z = Attention(x, W, b)", ("num_heads", Heads), ("scale", 0.3f)),
        ["Attention with narrow values"] = g => g.Weights("W", Width, Width + Width + 8).Weights("b", Width + Width + 8)
            .Contrib("z = Attention(x, W, b)", ("num_heads", Heads), ("unidirectional", 1),
                ("qkv_hidden_sizes", new[] { Width, Width, 8 })),
        ["Attention with a mask"] = g => Packed(Mask(g, [Batch, Positions], 1, 1, 0, 1, 1, 1, 1, 1, 1, 0))
            .Contrib("z = Attention(x, W, b, mask)", ("num_heads", Heads)),
        ["Attention with lengths"] = g => Packed(Mask(g, [Batch], 3, 5)).Contrib("z = Attention(x, W, b, mask)", ("num_heads", Heads)),
        ["Attention with a mask by query"] = g => Packed(Mask(g, [Batch, Positions, Positions],
                [.. Enumerable.Range(0, Batch * Positions * Positions).Select(i => i % 3 == 1 ? 0L : 1)]))
            .Contrib("z = Attention(x, W, b, mask)", ("num_heads", Heads)),
        ["Attention with a bias of scores"] = g => Packed(g).Weights("bias", 1, Heads, Positions, Positions)
            .Contrib("z = Attention(x, W, b, , , bias)", ("num_heads", Heads), ("unidirectional", 1)),
        ["Attention with an empty past"] = g => Packed(g).Weights("past", 2, Batch, Heads, 0, Head)
            .Contrib("z, present = Attention(x, W, b, , past)", ("num_heads", Heads), ("unidirectional", 1)),
        ["MultiHeadAttention"] = g => g.Contrib("z = MultiHeadAttention(x, y, w)", ("num_heads", Heads)),
        ["MultiHeadAttention one way"] = g => g.Weights("b", 3 * Width)
            .Contrib("z = MultiHeadAttention(x, y, w, b)", ("num_heads", Heads), ("unidirectional", 1), ("scale", 0.2f)),
        ["MultiHeadAttention with a bias of scores and a mask"] = g => Mask(g, [Batch, Positions], 1, 1, 0, 1, 1, 1, 1, 1, 1, 0)
            .Weights("bias", Batch, Heads, Positions, Positions)
            .Contrib("z = MultiHeadAttention(x, y, w, , mask, bias)", ("num_heads", Heads)),
        ["MultiHeadAttention with an empty past"] = g => g.Weights("past", Batch, Heads, 0, Head)
            .Contrib("z, pk, pv = MultiHeadAttention(x, y, w, , , , past, past)", ("num_heads", Heads), ("unidirectional", 1)),
        ["MultiHeadAttention of keys and values by head"] = g => g.Ints("by", 0, 0, Heads, Head)
            .Node("y4 = Reshape(y, by)").Node("yh = Transpose(y4)", ("perm", new[] { 0, 2, 1, 3 }))
            .Node("w4 = Reshape(w, by)").Node("wh = Transpose(w4)", ("perm", new[] { 0, 2, 1, 3 }))
            .Contrib("z = MultiHeadAttention(x, yh, wh)", ("num_heads", Heads)),
        ["GroupQueryAttention"] = g => Groups(g, "", ""),
        ["GroupQueryAttention with an empty past"] = g => Groups(g.Weights("past", Batch, Shared, 0, Head), "", "past"),
        ["GroupQueryAttention that turns by positions"] = g => Groups(Tables(g)
                .Ints("from2", [Batch, Positions], [.. Enumerable.Range(0, Batch * Positions).Select(i => 2L + (i % Positions))]),
            "cos, sin, from2", "", ("do_rotary", 1)),
        ["GroupQueryAttention that turns"] = g => Groups(Tables(g), "cos, sin", "", ("do_rotary", 1)),
        ["GroupQueryAttention that turns neighbours"] = g =>
            Groups(Tables(g), "cos, sin", "", ("do_rotary", 1), ("rotary_interleaved", 1)),
        ["GroupQueryAttention with a window"] = g => Groups(g, "", "", ("local_window_size", 2)),
        ["GroupQueryAttention with a softcap and a scale"] = g => Groups(g, "", "", ("softcap", 0.7f), ("scale", 0.6f)),
        ["GroupQueryAttention with a softcap and a bias"] = g => Groups(g.Weights("bias", 1, Heads, Positions, Positions), ", , ", "bias",
            ("softcap", 0.7f)),
        ["GroupQueryAttention, packed"] = g => Groups(Tables(g).Weights("P", Width, Width + 2 * Shared * Head).Node("p = MatMul(x, P)"),
            "cos, sin", "packed", ("do_rotary", 1), ("local_window_size", 3)),
    };

    public static TheoryData<string> Cases => [.. s_cases.Keys];

    [Fact]
    public void Every_operator_that_is_read_has_a_case() =>
        Assert.Equal(ContribNodes.Known.Except(["SimplifiedLayerNormalization"]),
            s_cases.Keys.Select(c => c.Split(' ', ',')[0]).Distinct().Order(StringComparer.Ordinal));

    [Theory, MemberData(nameof(Cases))]
    public void It_is_what_the_runtimes_own_kernel_computes(string name)
    {
        var model = Model(name);
        var original = Float32Run.Run(model, Values());
        DirectionBatch.AssertClose(original["z"], Float32Run.Run(Lowered(model).ToProto(), Values())["made"], Float32);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Its_shape_is_known_before_and_after_and_every_operator_has_a_rule(string name)
    {
        var model = Model(name);
        var made = Lowered(model);
        var expected = Float32Run.Run(model, Values())["z"].Shape.Select(n => (long?)n).ToArray();
        Assert.Equal(expected, made.Outputs[0].Shape!.Select(d => d.Size));
        ContribNodes.Apply(model);
        Assert.Equal(expected, OnnxGraph.FromProto(model)["z"].Shape!.Select(d => d.Size));
        Assert.All(made.Ops(), o => Assert.Contains(o.Type, VjpRules.Table.Keys.Concat(["Identity"])));
        Assert.All(made.Ops(), o => Assert.Equal("", o.Domain));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Its_gradient_equals_central_differences(string name)
    {
        const double h = CentralDifferences.Step;
        var graph = Lowered(Model(name));
        var (made, read) = (graph.Outputs[0], graph.Inputs.Where(i => Values().ContainsKey(i.Name)).ToArray());
        var g = new GraphBuilder("gradient/");
        var zBar = g.Input("z.bar", DataType.Float, [Dim.Of(1), .. made.Shape!]);
        var bars = PullBack.FromWhole(new WalkScope(g, GradientRules.Gradient, read), made, zBar, read);
        var direction = Random(9, [.. made.Shape!.Select(d => (int)d.Size!.Value)]);
        var wanted = read.Where(x => bars.ContainsKey(x)).ToArray();
        Assert.Contains(wanted, x => x.Name == "x");
        var pulled = DoubleInterpreter.Run(
            new OnnxGraph([.. read, zBar], [.. wanted.Select(x => g.Identity(bars[x], x.Name + ".bar"))]).ToProto().Graph,
            new Dictionary<string, DoubleTensor>(Values()) { ["z.bar"] = direction.Reshape([1, .. direction.Shape]) });
        var forward = graph.ToProto().Graph;
        foreach (var x in wanted)
        {
            var u = Random(10, Values()[x.Name].Shape);
            double At(double by)
            {
                var moved = Values();
                moved[x.Name] = new(u.Shape, [.. moved[x.Name].Data.Zip(u.Data, (a, d) => a + (by * d))]);
                return DoubleInterpreter.Run(forward, moved)["made"].Dot(direction);
            }
            var difference = ((8 * (At(h) - At(-h))) - (At(2 * h) - At(-2 * h))) / (12 * h);
            var derivative = DirectionBatch.Row(pulled[x.Name + ".bar"], 0).Dot(u);
            Assert.InRange(Math.Abs(difference - derivative), 0, 1e-7 * (1 + Math.Abs(difference)));
        }
    }

    [Theory]
    [InlineData("MultiHeadAttention", 4, 0, 0.0), InlineData("GroupQueryAttention", 2, 1, 0.0)]
    [InlineData("GroupQueryAttention with a softcap and a scale", 2, 1, 0.7)]
    public void Attention_is_what_its_definition_says(string start, int shared, int causal, double softcap)
    {
        var name = s_cases.Keys.First(c => c.StartsWith(start, StringComparison.Ordinal));
        var values = Values();
        DoubleTensor Keys(DoubleTensor x) => shared == Heads
            ? x
            : DoubleTensor.Tabulate([Batch, Positions, shared * Head], i => x.At(i[0], i[1], i[2]));
        var defined = AttentionReference.Attention(values["x"], Keys(values["y"]), Keys(values["w"]), null,
            new Options((Heads, shared), softcap > 0 ? 0.6 : null, softcap, causal == 1));
        DirectionBatch.AssertClose(defined, DoubleInterpreter.Run(Lowered(Model(name)).ToProto().Graph, values)["made"], Float32Constants);
    }

    [Theory]
    [InlineData("MatMulNBits", "its weights are quantised: export the unquantised model")]
    [InlineData("DynamicQuantizeMatMul", "its weights are quantised")]
    [InlineData("QAttention", "its weights are quantised")]
    [InlineData("MoE", "is a mixture of experts")]
    [InlineData("PackedAttention", "a kind of attention of domain com.microsoft that is not read; export the model without graph opt")]
    [InlineData("EngramGate", "is of domain com.microsoft, which is no standard ONNX, and not one of com.microsoft's that are read (Att")]
    public void What_is_not_read_is_named_with_what_avoids_it(string type, string words)
    {
        var model = GraphSketch.ToModel(new GraphSketch().Input("x", 2).Contrib($"z = {type}(x)").ToGraph());
        var e = Assert.Throws<GraphException>(() => ContribNodes.Apply(model));
        Assert.Contains($"{type} 'node 0", e.Message);
        Assert.Contains(words, e.Message);
    }

    [Theory]
    [InlineData("z = Attention(x, W, b, , past)", "", 0, "reads a cache of earlier tokens (past: 'past')")]
    [InlineData("z = Attention(x, W, b)", "do_rotary", 1, "do_rotary")]
    [InlineData("z = MultiHeadAttention(x, y, w, , , , past, past)", "", 0, "reads a cache of earlier tokens (past_key: 'past')")]
    [InlineData("z = MultiHeadAttention(other)", "", 0, "ONNX Runtime computes on GPUs only")]
    [InlineData("z = MultiHeadAttention(x, y)", "", 0, "ONNX Runtime computes on GPUs only")]
    [InlineData("z = MultiHeadAttention(x, other, other)", "", 0, "cross attention or a cache")]
    [InlineData("z = GroupQueryAttention(x, y, w, past, past, n, n)", "kv_num_heads", 4, "a cache of earlier tokens (past_key: 'past')")]
    [InlineData("z = GroupQueryAttention(x, y, w, , , n, n)", "smooth_softmax", 1, "smooth_softmax")]
    [InlineData("z = GroupQueryAttention(x, y, w, , , n, n, , , , , b)", "kv_num_heads", 4, "head_sink")]
    [InlineData("z = RotaryEmbedding(x, n, W, W)", "is_packed_batching", 1, "is_packed_batching")]
    public void A_form_that_is_not_read_is_named_with_its_node(string equation, string attribute, int value, string words)
    {
        var sketch = Start(g => Packed(g).Weights("past", 2, Heads, Positions, Head, 1).Weights("other", Batch, Positions + 1, Width)
            .Scalar("n", 1L).Contrib(equation, ("num_heads", Heads), (attribute, value)));
        var e = Assert.Throws<GraphException>(() => Lowered(GraphSketch.ToModel(sketch.ToGraph())));
        Assert.Contains(equation.Split('(')[0][4..] + " 'node", e.Message);
        Assert.Contains(words, e.Message);
        Assert.DoesNotContain('\n', e.Message);
    }

    // heads of queries, keys and values side by side
    private static GraphSketch Start(Func<GraphSketch, GraphSketch> body) =>
        body(new GraphSketch().Input("x", Batch, Positions, Width).Input("y", Batch, Positions, Width).Input("w", Batch, Positions, Width));

    private static ModelProto Model(string name) => GraphSketch.ToModel(Start(s_cases[name]).ToGraph());

    private static Dictionary<string, DoubleTensor> Values() => new()
    {
        ["x"] = Random(1, [Batch, Positions, Width]),
        ["y"] = Random(2, [Batch, Positions, Width]),
        ["w"] = Random(3, [Batch, Positions, Width]),
    };

    private static GraphSketch Tables(GraphSketch g, int half = Head / 2) => g.Weights("cos", 9, half).Weights("sin", 9, half)
        .Ints("places", [Batch, Positions], [.. Enumerable.Range(0, Batch * Positions).Select(i => i % 9L)]);

    private static GraphSketch Packed(GraphSketch g) => g.Weights("W", Width, 3 * Width).Weights("b", 3 * Width);

    private static GraphSketch Mask(GraphSketch g, int[] shape, params long[] mask) =>
        g.Ints("mask64", shape, mask).Node("mask = Cast(mask64)", ("to", DataType.Int32));

    // keys and values are the first entries of y and w
    private static GraphSketch Groups(GraphSketch g, string tables, string more, params (string, object)[] attributes)
    {
        g.Ints("last64", [Batch], [.. Enumerable.Repeat(Positions - 1L, Batch)]).Node("last = Cast(last64)", ("to", DataType.Int32))
            .Scalar("total64", (long)Positions).Node("total = Cast(total64)", ("to", DataType.Int32))
            .Ints("start", 0).Ints("end", Shared * Head).Ints("axis", 2)
            .Node("k = Slice(y, start, end, axis)").Node("v = Slice(w, start, end, axis)");
        var inputs = more == "packed" ? "p, , " : "x, k, v";
        var past = more == "past" ? "past, past" : ", ";
        return g.Contrib($"z, pk, pv = GroupQueryAttention({inputs}, {past}, last, total{(tables.Length > 0 ? ", " + tables : "")}"
            + $"{(more == "bias" ? ", bias" : "")})", [("num_heads", Heads), ("kv_num_heads", Shared), .. attributes]);
    }

    // as adoption does it, operator by operator
    private static OnnxGraph Lowered(ModelProto model)
    {
        model = model.Clone();
        ContribNodes.Apply(model);
        var graph = OnnxGraph.FromProto(model);
        var g = new GraphBuilder("made/");
        var made = new Dictionary<Value, Value>();
        Value Mapped(Value v) => made.GetValueOrDefault(v, v);
        foreach (var op in graph.Ops())
        {
            var inputs = op.In.Select(v => v is null ? null : Mapped(v)).ToArray();
            var outputs = OperatorLowering.Lower(g, op, inputs)
                ?? GraphBuilder.Attach(new Op(op.Type, "", op.Name, inputs, op.Attributes),
                    [.. op.Out.Select(v => v is null ? "" : "m/" + v.Name)]);
            for (var i = 0; i < op.Out.Count; i++) if (op.Out[i] is { } v) made[v] = outputs[i];
        }
        return new OnnxGraph(graph.Inputs, [g.Identity(Mapped(graph.Outputs[0]), "made")]);
    }

    // float32 numbers, so that the runtime reads the same
    private static DoubleTensor Random(int seed, int[] shape)
    {
        var random = new Random(seed);
        return DoubleTensor.Zeros(shape).Map(_ => (2 * random.NextSingle()) - 1);
    }
}
