namespace OnnxAttribution.Checkpoints;

/// <summary>A file of weights that is still to be read through.</summary>
/// <param name="File">The owner's; it must be open while <see cref="Run"/> is.</param>
/// <param name="Names">The tensors that are weights.</param>
internal sealed record WeightCheck(SafetensorsFile File, IReadOnlyCollection<string> Names)
{
    /// <inheritdoc cref="SafetensorsFile.RequireFinite"/>
    public string Run(CancellationToken cancel = default) => File.RequireFinite(Names, cancel);
}
