using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>A site at which a model is cut: what it is wherever it is asked for.</summary>
/// <param name="Index">Among the selected sites, which are in the order of computation.</param>
/// <param name="Value">Its tensor in the model's graph, [1, position, d].</param>
/// <param name="Dictionary">null: it has none.</param>
internal sealed record SelectedSite(int Index, Site Site, Value Value, SparseDictionary? Dictionary)
{
    /// <summary>d: d_model, or for <c>hook_z</c> that of all heads together.</summary>
    public required int Width { get; init; }
}
