namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>One dictionary of a folder: SAELens's as it lies, or another's to be converted.
/// Owns its files; who finds one disposes it.</summary>
/// <param name="Place">Its directory, or the file with its weights.</param>
/// <param name="Config">What it is.</param>
/// <param name="SaeLens">Where it is SAELens's already.</param>
/// <param name="Conversion">Where it is not.</param>
internal sealed record FoundDictionary(string Place, DictionaryConfig Config, SaeLensDictionary? SaeLens,
    DictionaryConversion? Conversion) : IDisposable
{
    public void Dispose()
    {
        SaeLens?.Dispose();
        Conversion?.Dispose();
    }
}
