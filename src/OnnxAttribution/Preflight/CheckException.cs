using OnnxAttribution.Files;

namespace OnnxAttribution.Preflight;

/// <summary>Dictionaries cannot be checked; the message says why and what to do.</summary>
internal sealed class CheckException(string message) : OnnxAttributionException(message);
