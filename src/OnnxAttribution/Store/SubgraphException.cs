using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A subgraph cannot be read, or is not of the run; the message is one line that names the file, what is wrong and the mend.
/// </summary>
internal sealed class SubgraphException(string message, Exception? inner = null) : OnnxAttributionException(message, inner);
