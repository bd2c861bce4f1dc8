namespace OnnxAttribution.Preflight;

/// <summary>How pre-activations become a reconstruction.</summary>
/// <param name="K">Of TopK; null: none.</param>
/// <param name="HasThreshold">Whether the dictionary's thresholds count.</param>
/// <param name="NormPower">Decoder rows count with this power of their length, beside what they are.</param>
/// <param name="SelectsByNorm">TopK chooses by pre-activations times the lengths of decoder rows.</param>
internal readonly record struct OutputReading(int? K, bool HasThreshold, int NormPower = 0, bool SelectsByNorm = false);
