using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Export;

/// <summary>A bundle's model.onnx in double precision, by the interpreter that shares no code with the product;
/// its weights are read from where they lie.</summary>
internal sealed class DoubleModel
{
    private readonly GraphProto _graph;
    private readonly int _width;

    public DoubleModel(string bundle)
    {
        _graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(bundle, "model.onnx"))).Graph;
        using var weights = SafetensorsFile.Open(Path.Combine(bundle, CheckpointFolder.SingleFile));
        foreach (var t in _graph.Initializer.Where(t => t.ExternalData.Count > 0))
        {
            var offset = long.Parse(t.ExternalData.Single(e => e.Key == "offset").Value);
            t.FloatData.AddRange(weights.ReadFloats(weights.Tensors.Values.Single(e => e.Offset == offset).Name));
            t.ExternalData.Clear();
            t.DataLocation = TensorProto.Types.DataLocation.Default;
        }
        _width = BundleManifest.Read(bundle).DModel;
    }

    /// <summary>Every value of the graph, with something added at a site and some hooks held.</summary>
    /// <param name="shift">[T, d], or null: nothing.</param>
    /// <param name="held">Values by hook name, in place of what the model computes there.</param>
    public IReadOnlyDictionary<string, DoubleTensor> Run(IReadOnlyList<int> tokens, string site, double[]? shift,
        IReadOnlyDictionary<string, DoubleTensor> held)
    {
        var graph = _graph.Clone();
        foreach (var node in graph.Node.Where(n => n.Output.Any(held.ContainsKey)).ToList()) graph.Node.Remove(node);
        var inputs = new Dictionary<string, DoubleTensor>(held)
        {
            ["tokens"] = new([1, tokens.Count], [.. tokens.Select(t => (double)t)], isInteger: true),
        };
        if (shift is not null) inputs[site + ".shift"] = new([1, tokens.Count, _width], shift);
        return DoubleInterpreter.Run(graph, inputs);
    }

    /// <summary>A logit with something added at a site, [T, d].</summary>
    public double Logit(IReadOnlyList<int> tokens, int position, int token, string site, double[] shift)
    {
        var values = DoubleInterpreter.Run(_graph, new Dictionary<string, DoubleTensor>
        {
            ["tokens"] = new([1, tokens.Count], [.. tokens.Select(t => (double)t)], isInteger: true),
            [site + ".shift"] = new([1, tokens.Count, _width], shift),
        });
        var logits = values["logits"];
        return logits.Data[(position * logits.Shape[2]) + token];
    }
}
