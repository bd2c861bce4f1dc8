using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>A foreign graph with sites and interventions.</summary>
/// <param name="Sites">In the order in which a model computes them.</param>
/// <param name="Tensors">The foreign tensor of each site, for messages.</param>
/// <param name="Changes">What it does not take or give of what the foreign graph does.</param>
internal sealed record AdoptedGraph(OnnxGraph Graph, IReadOnlyList<string> Sites, IReadOnlyList<string> Hooks, int Vocabulary,
    IReadOnlyDictionary<string, string> Tensors, BundleManifest.AdoptionRecord Changes)
{
    /// <summary>A site of the graph, with everything its intervention passes on.</summary>
    public Value Site(string name) => Graph.Outputs.First(o => o.Name == name);

    public Value Logits => Graph.Outputs[0];

    public Value Tokens => Graph.Inputs[0];
}
