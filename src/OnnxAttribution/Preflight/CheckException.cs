using OnnxAttribution.Files;

namespace OnnxAttribution.Preflight;

/// <summary>Dictionaries cannot be checked; the message says why and what to do.</summary>
public sealed class CheckException(string message) : OnnxAttributionException(message);
