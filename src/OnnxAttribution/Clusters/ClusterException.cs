using OnnxAttribution.Files;

namespace OnnxAttribution.Clusters;

/// <summary>Prompts cannot be put in clusters as was asked; the message says why and what to do.</summary>
public sealed class ClusterException : OnnxAttributionException
{
    internal ClusterException(string message) : base(message)
    {
    }
}
