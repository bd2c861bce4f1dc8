namespace OnnxAttribution.Store;

/// <summary>Key-value metadata of a circuit's table.</summary>
internal sealed record CircuitMetadata(float Coefficient, bool Keep, int Controls, int Seed, string Model, string BundleSha256,
    string Version);

/// <summary>Key-value metadata of a response curve's table.</summary>
internal sealed record CurveMetadata(string Prompt, bool PrependBos, string Up, string Down, string Model, string BundleSha256,
    string Program, string Version);

/// <summary>Key-value metadata of features.parquet.</summary>
/// <param name="Text">The text file's name.</param>
/// <param name="Sites">Hook names, with commas between.</param>
/// <param name="Context">Most tokens of a sequence.</param>
internal sealed record FeatureMetadata(string BundleSha256, string Model, string Text, long TextBytes, long Tokens, long Documents,
    long Sequences, string Sites, int Context, bool PrependBos, int Top, int Window, int Quantiles, int Seed, string Program,
    string Version, string OnnxruntimeVersion);
