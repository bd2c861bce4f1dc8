using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>A text file cannot be read, or is no text; the message says why and how to fix it.</summary>
internal sealed class TextException(string message, Exception? inner = null) : OnnxAttributionException(message, inner);
