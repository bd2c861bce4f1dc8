using OnnxAttribution.Files;

namespace OnnxAttribution.Onnx;

/// <summary>A graph cannot be read, cut or differentiated; the message names the node or tensor.</summary>
public sealed class GraphException : OnnxAttributionException
{
    internal GraphException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
