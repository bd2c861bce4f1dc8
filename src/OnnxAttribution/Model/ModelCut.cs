using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>The model's graph for any number of batch rows, and what a change of one site reaches in it.</summary>
internal sealed class ModelCut
{
    public ModelCut(LoadedModel model, Site from)
    {
        Graph = model.Bundle.WithoutInterventions(batch: null);
        Sites = [.. model.Bundle.Sites.Select(s => Graph[s.Name])];
        From = Graph[from.Name];
    }

    public OnnxGraph Graph { get; }

    /// <summary>All sites of the model, in the order of computation.</summary>
    public IReadOnlyList<Value> Sites { get; }

    /// <summary>The site that is changed.</summary>
    public Value From { get; }

    /// <summary>What the change reaches on its way to a value, the changed site included.</summary>
    public HashSet<Value> Reached(Value to) => Topology.DependentOn([From], Topology.Between([], [to]));
}
