namespace OnnxAttribution.Checkpoints;

/// <summary>A tensor that a checkpoint of some config has.</summary>
/// <param name="Name">Its key, without the prefix that some checkpoints have.</param>
internal sealed record TensorSpec(string Name, params long[] Shape);
