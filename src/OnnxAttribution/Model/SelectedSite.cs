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

    /// <summary>The MLP that its transcoder stands for; null: the dictionary, if there is one, rebuilds the site.</summary>
    public ReplacedMlp? Mlp { get; init; }

    /// <summary>The tensor that edges lead into, [1, position, width]: the site as it is computed, or what its transcoder reads.</summary>
    public required Value Read { get; init; }

    /// <summary>Width of what edges lead into.</summary>
    public int ReadWidth => Mlp?.Dictionary.Width ?? Width;

    /// <summary>At so many positions from the first a transcoder has neither features nor errors.</summary>
    public int ZeroPositions { get; init; }
}
