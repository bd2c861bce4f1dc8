using Google.Protobuf;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

/// <summary>Graphs as torch.onnx.export writes them with dynamo=True: counted names, scopes of modules as metadata, symbols of
/// torch.export, domains of onnxscript, weights in a .data file beside the graph.</summary>
public sealed class ForeignDynamoTests
{
    [Theory, InlineData("gpt2-17"), InlineData("llama-past"), InlineData("bf16-neox")]
    public void Names_and_metadata_of_dynamo_change_nothing(string name)
    {
        using var plain = new ForeignModel(name);
        plain.Export();
        using var model = new ForeignModel(name);
        model.Write();
        Rename(model);
        AddMetadata(model.Graph);
        MoveWeights(model, Path.Combine(model.Source, "model.onnx.data"));
        var manifest = model.Export();
        Assert.Equal(name != "bf16-neox", manifest.Files.ContainsKey("model.onnx.data"));
        var options = new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Threads: 1);
        Assert.InRange(AdoptionCheck.Require(options, manifest), 0, 1e-5f);
        using var session = new PlainSession(model.Bundle);
        using var expected = new PlainSession(plain.Bundle);
        Assert.Equal(expected.Logits([256, 3, 200, 17]), session.Logits([256, 3, 200, 17]));
    }

    private static void Rename(ForeignModel model)
    {
        var graph = model.Graph.Graph;
        var outputs = graph.Output.Select(o => o.Name).ToHashSet();
        var renamed = graph.Node.SelectMany(n => n.Output).Where(o => !outputs.Contains(o)).Index()
            .ToDictionary(p => p.Item, p => p.Index % 3 == 0 ? $"val_{p.Index}" : $"linear_{p.Index}");
        foreach (var (i, node) in graph.Node.Index())
        {
            NodeNames.Rename(node, n => renamed.GetValueOrDefault(n, n));
            node.Name = $"node_{node.OpType}_{i}";
        }
        foreach (var info in graph.ValueInfo) info.Name = renamed.GetValueOrDefault(info.Name, info.Name);
        foreach (var (site, tensor) in model.SiteNames.Select(s => (s.Key, (string)s.Value!)).ToList())
        {
            model.SiteNames[site] = renamed.GetValueOrDefault(tensor, tensor);
        }
        foreach (var dim in graph.Input.SelectMany(i => i.Type.TensorType.Shape.Dim).Where(d => d.DimParam.Length > 0))
        {
            dim.DimParam = dim.DimParam switch
            {
                "batch" or "batch_size" => "s0",
                "position" or "sequence_length" => "s1",
                var other => other
            };
        }
    }

    // fields of newer versions of the format than this program's: metadata_props of a node and of the graph
    private static void AddMetadata(ModelProto model)
    {
        var entry = new StringStringEntryProto { Key = "pkg.torch.onnx.name_scopes", Value = "['', 'model', 'model.layers.0.self_attn']" };
        T With<T>(T message, int field, MessageParser<T> parser) where T : IMessage<T>
        {
            byte[] tag = field > 15 ? [(byte)(((field << 3) | 2) & 0x7F | 0x80), (byte)(field >> 4)] : [(byte)((field << 3) | 2)];
            return parser.ParseFrom([.. message.ToByteArray(), .. tag, (byte)entry.CalculateSize(), .. entry.ToByteArray()]);
        }
        for (var i = 0; i < model.Graph.Node.Count; i++) model.Graph.Node[i] = With(model.Graph.Node[i], 9, NodeProto.Parser);
        model.Graph = With(model.Graph, 16, GraphProto.Parser);
        model.IrVersion = 10;
        foreach (var domain in (string[])["pkg.onnxscript.torch_lib", "pkg.onnxscript.torch_lib.common"])
        {
            model.OpsetImport.Add(new OperatorSetIdProto { Domain = domain, Version = 1 });
        }
        model.MetadataProps.Add(new StringStringEntryProto { Key = "pkg.torch.export.ExportedProgram.graph_signature", Value = "..." });
    }

    private static void MoveWeights(ForeignModel model, string path)
    {
        using var data = File.Create(path);
        foreach (var t in model.Graph.Graph.Initializer.Where(t => t.RawData.Length > 0))
        {
            data.Write(new byte[(64 - (data.Position % 64)) % 64]);
            var placed = Constants.External((DataType)t.DataType, [.. t.Dims], Path.GetFileName(path), data.Position, t.RawData.Length);
            t.RawData.WriteTo(data);
            t.RawData = ByteString.Empty;
            t.DataLocation = TensorProto.Types.DataLocation.External;
            t.ExternalData.Add(placed.ExternalData);
        }
    }
}
