using OnnxAttribution.Files;

namespace OnnxAttribution.Model;

/// <summary>A graph of causes cannot be made of what was asked; the message says what is wrong and how to fix it.</summary>
public sealed class AttributionException : OnnxAttributionException
{
    internal AttributionException(string message) : base(message)
    {
    }
}
