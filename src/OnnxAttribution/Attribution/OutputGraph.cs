using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>Several outputs as a graph on top of the model's, each a direction of the logits before a soft cap, with a cotangent each.
/// </summary>
internal static class OutputGraph
{
    /// <summary>float32 [vocabulary, outputs]: what each output is of the logits.</summary>
    public const string Directions = "outputs.directions";

    /// <summary>The graph of gradients at what the logits read directly, [outputs, 1, position, d] each.</summary>
    /// <returns>The tensors that are read, and a graph that yields <c>NAME.grad</c> of each.</returns>
    public static (IReadOnlyList<Value> Parents, OnnxGraph Graph) Build(LoadedModel model, Estimator estimator)
    {
        var g = new GraphBuilder("outputs/");
        var position = g.Input(MetricGraph.Position, DataType.Int64, Dim.Of(1));
        var directions = g.Input(Directions, DataType.Float, Dim.Of(model.VocabularySize), Dim.Named("outputs"));
        // circuit-tracer takes vectors of the unembedding, whatever cap is laid over what they give
        var logits = LogitsHead.BeforeSoftCap(g, model.Graph, model.AllSites, position);                         // [1, V]
        var values = g.Identity(g.MatMul(logits, directions), "outputs");                                        // [1, K]
        var count = g.Squeeze(g.Shape(directions, 1, 2), 0);
        var one = g.Unsqueeze(g.OneHot(g.Range(g.Int(0), count, g.Int(1)), count), 1);                           // [K, 1, K]
        var read = Topology.DirectlyReadBy(values, model.SelectedValues.ToHashSet());
        var gradients = PullBack.FromWhole(new WalkScope(g, estimator.Rules(), model.SelectedValues), values, one,
            [.. model.SelectedValues.Where(read.Contains)]);
        Value[] parents = [.. model.SelectedValues.Where(gradients.ContainsKey)];
        var outputs = parents.Select(p => g.Identity(gradients[p], p.Name + ".grad")).ToList();
        return (parents, new OnnxGraph([model.Graph[ModelBundle.Tokens], .. model.SelectedValues, position, directions], outputs));
    }
}
