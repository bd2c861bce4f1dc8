using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>The chosen device cannot be used; the message names the library that failed to load and the fix.</summary>
public sealed class DeviceException : OnnxAttributionException
{
    internal DeviceException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
