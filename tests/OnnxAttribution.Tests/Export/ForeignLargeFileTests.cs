using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Attribution;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Weights in files of more than 2 GiB, which are mostly holes here, of names and in folders as they come.</summary>
public sealed class ForeignLargeFileTests
{
    private const long TwoGiB = 1L << 31;

    [Fact]
    public void Weights_beyond_two_gibibytes_of_several_files_are_read_where_they_lie()
    {
        static GraphSketch Body(GraphSketch g) => g.Weights("k", 8, 64).Weights("j", 64, 8).Node("a = MatMul(x, k)").Node("b = Tanh(a)")
            .Node("c = MatMul(b, j)").Node("y = Add(x, c)");
        using var model = new SketchedModel(Body);
        using var plain = new SketchedModel(Body);
        plain.Export();
        Move(model, "emb", "my weights/part 1.data", TwoGiB + 4096);
        Move(model, "k", "my weights/more/part 2.data", TwoGiB - 64);
        Move(model, "W", "my weights/part 1.data", TwoGiB + (1L << 30));
        var manifest = model.Export();
        Assert.InRange(manifest.Files["my weights/part 1.data"].Bytes, TwoGiB + (1L << 30), TwoGiB + (1L << 30) + (1L << 20));
        Assert.True(File.Exists(Path.Combine(model.Bundle, "my weights", "more", "part 2.data")));
        Assert.InRange(AdoptionCheck.Require(model.Options, manifest), 0, 1e-6f);
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(plain.Bundle);
        Assert.Equal(expected.Logits([1, 2, 3]), session.Logits([1, 2, 3]));
        using var opened = LoadedModel.Open(model.Bundle, null, new RunContext(threads: 1));
        var graph = GraphFinder.Find(opened, [1, 2, 3], null, new GraphOptions().Linear().KeepingAll());
        Assert.InRange(graph.ConservationViolation!.Value, 0, 1e-5);
    }

    [Fact]
    public void A_weight_of_more_than_two_gibibytes_is_one_weight()
    {
        // as many rows as make 2 GiB and a little, all zero but the first
        using var model = new SketchedModel(g => g.Node("y = Tanh(x)"));
        using var plain = new SketchedModel(g => g.Node("y = Tanh(x)"));
        plain.Export();
        Move(model, "emb", "model.onnx.data", 0);
        var rows = (TwoGiB / 32) + 257;
        var emb = model.Model.Graph.Initializer.First(t => t.Name == "emb");
        emb.Dims[0] = rows;
        emb.ExternalData.First(e => e.Key == "length").Value = $"{rows * 32}";
        using (var file = File.OpenWrite(Path.Combine(model.Source, "model.onnx.data"))) file.SetLength(rows * 32);
        var manifest = model.Export();
        Assert.Equal(rows * 32, manifest.Files["model.onnx.data"].Bytes);
        Assert.InRange(AdoptionCheck.Require(model.Options, manifest), 0, 1e-6f);
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(plain.Bundle);
        Assert.Equal(expected.Logits([1, 2, 256]), session.Logits([1, 2, 256]));
    }

    [Fact]
    public void Half_precision_beyond_two_gibibytes_is_converted_from_there()
    {
        using var model = new SketchedModel(g => g.Node("y = Tanh(x)"));
        ForeignHalfTests.Halve(model.Model, DataType.Float16);
        using var plain = new SketchedModel(g => g.Node("y = Tanh(x)"));
        ForeignHalfTests.Halve(plain.Model, DataType.Float16);
        plain.Export();
        Move(model, "emb", "model.onnx.data", TwoGiB + 128);
        var manifest = model.Export();
        Assert.Equal(["merges.txt", "model.onnx", "vocab.json", "weights.bin"], manifest.Files.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(File.ReadAllBytes(Path.Combine(plain.Bundle, "weights.bin")),
            File.ReadAllBytes(Path.Combine(model.Bundle, "weights.bin")));
        Assert.InRange(AdoptionCheck.Require(model.Options, manifest), 0, 1e-6f);
    }

    [Fact]
    public void Small_constants_in_files_are_taken_into_the_graph()
    {
        // as onnx.save writes them with size_threshold=0: the shape of a reshape too
        using var model = new SketchedModel(g => g.Ints("apart", 0, 0, 2, 4).Ints("side", 0, 0, 8).Node("a = Reshape(x, apart)")
            .Node("b = Tanh(a)").Node("c = Reshape(b, side)").Node("y = Add(x, c)"));
        foreach (var name in (string[])["apart", "side"]) Move(model, name, "shapes.data", name == "apart" ? 0 : 64);
        var manifest = model.Export();
        Assert.False(manifest.Files.ContainsKey("shapes.data"));
        Assert.Equal(0, AdoptionCheck.Require(model.Options, manifest));
    }

    [Fact]
    public void A_file_that_ends_before_its_weight_is_refused_also_beyond_two_gibibytes()
    {
        using var model = new SketchedModel(g => g.Node("y = Tanh(x)"));
        Move(model, "emb", "model.onnx.data", TwoGiB + 128);
        using (var file = File.OpenWrite(Path.Combine(model.Source, "model.onnx.data"))) file.SetLength(TwoGiB + 256);
        model.Refused("model.onnx.data has 2147483904 bytes and ends before tensor 'emb' does");
    }

    // into a file of external data, at an offset; what lies before it is a hole
    private static void Move(SketchedModel model, string name, string location, long offset)
    {
        var path = Path.Combine(model.Source, location);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var at = model.Model.Graph.Initializer.ToList().FindIndex(t => t.Name == name);
        var t = model.Model.Graph.Initializer[at];
        using var bytes = ConstantBytes.Open(model.OnnxPath, t);
        using var file = File.OpenWrite(path);
        file.Position = offset;
        bytes.CopyTo(file);
        var placed = Constants.External((DataType)t.DataType, [.. t.Dims], location, offset, file.Position - offset);
        placed.Name = name;
        model.Model.Graph.Initializer[at] = placed;
    }
}
