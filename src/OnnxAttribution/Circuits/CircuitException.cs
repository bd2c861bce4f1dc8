using OnnxAttribution.Files;

namespace OnnxAttribution.Circuits;

/// <summary>A circuit cannot be read, or does not fit the model or the prompt; the message says what is wrong and how to fix it.</summary>
internal sealed class CircuitException(string message) : OnnxAttributionException(message);
