using System.Text.Json.Nodes;
using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>A small foreign graph written in a test, from tokens to logits, on its way into a bundle.</summary>
internal sealed class SketchedModel : IDisposable
{
    public const int Vocabulary = 257, Width = 8;

    private readonly TemporaryDirectory _directory = new();

    /// <param name="body">Nodes between the residual stream <c>x</c> and <c>y</c>, which is unembedded.</param>
    public SketchedModel(Func<GraphSketch, GraphSketch> body, int opset = 20)
    {
        var sketch = new GraphSketch().Weights("emb", Vocabulary, Width).Weights("W", Width, Vocabulary).Node("x = Gather(emb, tokens)");
        var graph = body(sketch).Node("logits = MatMul(y, W)").ToGraph("logits");
        graph.Input.Add(Info("tokens", DataType.Int64, "batch", "position"));
        Model = new ModelProto
        {
            IrVersion = 10,
            Graph = graph,
            OpsetImport =
            {
                new OperatorSetIdProto { Domain = "", Version = opset },
                new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 }
            }
        };
    }

    public ModelProto Model { get; }

    public JsonObject Sites { get; } =
        new() { ["sites"] = new JsonObject { ["blocks.0.hook_resid_pre"] = "x" }, ["tokens"] = "tokens", ["n_ctx"] = 16, ["n_heads"] = 1 };

    public string Source => _directory["source"];
    public string Bundle => _directory["bundle"];
    public string OnnxPath => Path.Combine(Source, "model.onnx");

    public AdoptionOptions Options => new(OnnxPath, Path.Combine(Source, "sites.json"), null, Bundle, Threads: 1);

    public NodeProto Node(string output) => Model.Graph.Node.First(n => n.Output.Contains(output));

    public void Write()
    {
        Directory.CreateDirectory(Source);
        File.WriteAllBytes(OnnxPath, Model.ToByteArray());
        File.WriteAllText(Path.Combine(Source, "sites.json"), Sites.ToJsonString());
        foreach (var file in (string[])["vocab.json", "merges.txt"])
        {
            File.Copy(Path.Combine(Random2.Checkpoint, file), Path.Combine(Source, file), overwrite: true);
        }
    }

    public BundleManifest Export()
    {
        Write();
        return ForeignBundleWriter.Write(Options);
    }

    /// <summary>Exporting is refused in one line that has all of these words,
    /// without a message of .NET's own, and leaves no bundle.</summary>
    public void Refused(params string[] words)
    {
        var e = Assert.Throws<BundleException>(Export);
        Assert.DoesNotContain('\n', e.Message);
        Assert.All([OnnxPath, .. words], word => Assert.Contains(word, e.Message));
        Assert.False(Directory.Exists(Bundle));
    }

    public static ValueInfoProto Info(string name, DataType type, params string[] axes)
    {
        var shape = new TensorShapeProto { Dim = { axes.Select(a => new TensorShapeProto.Types.Dimension { DimParam = a }) } };
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape } }
        };
    }

    public void Dispose() => _directory.Dispose();
}
