using OnnxAttribution.Files;

namespace OnnxAttribution.Bundles;

/// <summary>A bundle cannot be made or read; the message names the file or site and the fix.</summary>
public sealed class BundleException : OnnxAttributionException
{
    internal BundleException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>The name that was asked for and that no site of the bundle has; null where it is about something else.</summary>
    internal string? UnknownSite { get; init; }
}
