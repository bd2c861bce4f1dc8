using System.Runtime.InteropServices;
using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Graphs of float16 and bfloat16 numbers become bundles of float32, of which it is said how far they are from them;
/// graphs of float64 and of quantised numbers are refused by node.</summary>
public sealed class ForeignHalfTests
{
    [Theory, InlineData("fp16-llama", "float16", 23), InlineData("bf16-neox", "bfloat16", 30)]
    public void What_was_widened_is_recorded_and_compared(string name, string type, int weights)
    {
        using var model = new ForeignModel(name);
        var manifest = model.Export();
        Assert.Equal([(type, weights)], manifest.Adopted!.Widened.Select(w => (w.Key, w.Value)));
        var graph = OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx")));
        Assert.DoesNotContain(graph.Ops().SelectMany(o => o.In.Concat(o.Out)), v => v is not null && HalfPrecision.Is((int)v.Type));
        var said = new List<string>();
        var options = new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Threads: 1);
        Assert.InRange(AdoptionCheck.Require(options, manifest, say: said.Add), 0, 1e-5f);
        var note = Assert.Single(said);
        Assert.Contains($"the graph computes in {type}, the bundle in float32", note);
        // of float16 the runtime has kernels or converts, of bfloat16 it has none on a CPU
        Assert.Contains(type == "float16" ? "in float16 its logits differ by 0.00" : "in bfloat16 ONNX Runtime does not run it here", note);
    }

    [Theory, InlineData("fp16-llama"), InlineData("bf16-neox")]
    public void Weights_in_files_of_their_own_are_converted_into_the_bundles(string name)
    {
        using var inside = new ForeignModel(name);
        inside.Export();
        using var model = new ForeignModel(name);
        model.Write();
        using (var data = File.Create(Path.Combine(model.Source, "model.onnx.data")))
        {
            data.Write(new byte[64]);
            foreach (var t in NodeNames.ConstantsOf(model.Graph).Where(t => HalfPrecision.Is(t.DataType)))
            {
                var placed = Constants.External((DataType)t.DataType, [.. t.Dims], "model.onnx.data", data.Position, t.RawData.Length);
                t.RawData.WriteTo(data);
                t.RawData = ByteString.Empty;
                t.DataLocation = TensorProto.Types.DataLocation.External;
                t.ExternalData.Add(placed.ExternalData);
            }
        }
        var manifest = model.Export();
        Assert.Equal(["merges.txt", "model.onnx", "vocab.json", "weights.bin"], manifest.Files.Keys.Order(StringComparer.Ordinal));
        foreach (var file in (string[])["model.onnx", "weights.bin"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(inside.Bundle, file)), File.ReadAllBytes(Path.Combine(model.Bundle, file)));
        }
        var options = new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Threads: 1);
        Assert.InRange(AdoptionCheck.Require(options, manifest), 0, 1e-5f);
    }

    [Theory, InlineData("Float16"), InlineData("Bfloat16")]
    public void Every_number_of_16_bits_is_its_own_in_32(string type)
    {
        var half = new TensorProto { DataType = (int)Enum.Parse<DataType>(type), Dims = { 1 << 16 } };
        ushort[] all = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        half.RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(all.AsSpan()));
        using var stream = new MemoryStream();
        new HalfTensor("none.onnx", half).WriteTo(stream);
        var widened = MemoryMarshal.Cast<byte, float>(stream.ToArray());
        for (var i = 0; i < all.Length; i++)
        {
            var expected = type == "Float16" ? (float)BitConverter.UInt16BitsToHalf(all[i]) : BitConverter.Int32BitsToSingle(i << 16);
            Assert.True(expected.Equals(widened[i]), $"{i:x4} is {widened[i]}, not {expected}");
        }
    }

    [Theory, InlineData("Float16"), InlineData("Bfloat16")]
    public void Gelu_with_rounded_constants_is_gelu(string type)
    {
        using var model = new SketchedModel(g => g.Scalar("root2", 1.4142135f).Scalar("one", 1f).Scalar("half", 0.5f)
            .Node("a = Div(x, root2)").Node("b = Erf(a)").Node("c = Add(b, one)").Node("d = Mul(x, c)").Node("y = Mul(d, half)"));
        Halve(model.Model, Enum.Parse<DataType>(type));
        var manifest = model.Export();
        Assert.InRange(AdoptionCheck.Require(model.Options, manifest), 0, 1e-5f);
        Assert.Contains(OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx"))).Ops(), o => o.Type == "Gelu");
    }

    [Fact]
    public void A_part_in_half_precision_is_widened_too()
    {
        using var model = new ForeignModel("llama-17");
        var embedding = model.Producer("blocks.0.hook_resid_pre");
        embedding.Output[0] = "single";
        var next = model.Graph.Graph.Node[model.Graph.Graph.Node.IndexOf(embedding) + 1];
        model.Insert(next, "Cast", ["single"], "half").Attribute.Add(To(DataType.Float16));
        model.Insert(next, "Cast", ["half"], "blocks.0.hook_resid_pre").Attribute.Add(To(DataType.Float));
        var manifest = model.Export();
        Assert.Equal([("float16", 0)], manifest.Adopted!.Widened.Select(w => (w.Key, w.Value)));
        using var plain = new ForeignModel("llama-17");
        plain.Export();
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(plain.Bundle);
        Assert.Equal(expected.Logits([1, 2, 3]), session.Logits([1, 2, 3]));
    }

    [Fact]
    public void What_overflows_in_float16_only_is_adopted_and_said()
    {
        using var model = new SketchedModel(g => g.Scalar("large", 60000f).Node("a = Mul(x, large)").Node("y = Add(a, a)"));
        Halve(model.Model, DataType.Float16);
        var said = new List<string>();
        Assert.InRange(AdoptionCheck.Require(model.Options, model.Export(), say: said.Add), 0, 1e-5f);
        Assert.Contains("in float16 its logits are no finite numbers: float16 is too narrow for it", Assert.Single(said));
    }

    [Fact]
    public void A_weight_that_is_infinite_is_refused()
    {
        using var model = new SketchedModel(g => g.Weights("k", 8).Node("y = Add(x, k)"));
        Halve(model.Model, DataType.Float16);
        var k = model.Model.Graph.Initializer.First(t => t.Name == "k");
        var bytes = k.RawData.ToByteArray();
        (bytes[0], bytes[1]) = (0, 0x7c);
        k.RawData = ByteString.CopyFrom(bytes);
        var manifest = model.Export();
        Assert.Contains("no finite numbers", Assert.Throws<BundleException>(() => AdoptionCheck.Require(model.Options, manifest)).Message);
    }

    [Fact]
    public void A_graph_in_double_precision_is_refused_by_node_with_what_to_do()
    {
        using var model = new SketchedModel(g => g.Node("y = Tanh(x)"));
        foreach (var t in model.Model.Graph.Initializer.Where(t => t.DataType == (int)DataType.Float))
        {
            t.DoubleData.Add(t.FloatData.Select(f => (double)f));
            t.FloatData.Clear();
            t.DataType = (int)DataType.Double;
        }
        model.Refused("the tensor 'x' of blocks.0.hook_resid_pre is Double in", "which Gather 'node 0",
            "export the model in float32", "optimum with dtype fp32");
    }

    [Theory]
    [InlineData("q, s, z = DynamicQuantizeLinear(x)", "DynamicQuantizeLinear")]
    [InlineData("q = QuantizeLinear(x, one)", "QuantizeLinear")]
    [InlineData("q = DequantizeLinear(eight, one)", "DequantizeLinear")]
    [InlineData("q = MatMulInteger(eight, eight)", "MatMulInteger")]
    [InlineData("q = QLinearMatMul(eight, one, zero, eight, one, zero, one, zero)", "QLinearMatMul")]
    public void A_quantised_graph_is_refused_by_node_with_what_to_do(string node, string type)
    {
        using var model = new SketchedModel(g => g.Weights("one", 1).Ints("zero", 0).Ints("eight", [8, 8], new long[64]).Node(node)
            .Node("y = Identity(x)"));
        model.Refused($"{type} 'node ", "its weights are quantised", "export the unquantised model");
    }

    private static AttributeProto To(DataType type) => new() { Name = "to", I = (long)type, Type = AttributeType.Int };

    // as an exporter writes it: weights, constants and the output
    internal static void Halve(ModelProto model, DataType type)
    {
        foreach (var t in model.Graph.Initializer.Where(t => t.DataType == (int)DataType.Float))
        {
            ushort[] bits = [.. t.FloatData.Select(f => type == DataType.Float16 ? BitConverter.HalfToUInt16Bits((Half)f)
                : (ushort)((BitConverter.SingleToUInt32Bits(f) + 0x8000) >> 16))];
            t.RawData = ByteString.CopyFrom(MemoryMarshal.AsBytes(bits.AsSpan()));
            t.FloatData.Clear();
            t.DataType = (int)type;
        }
        foreach (var output in model.Graph.Output) output.Type.TensorType.ElemType = (int)type;
    }
}
