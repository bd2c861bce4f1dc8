namespace OnnxAttribution.Store;

/// <summary>Chosen nodes from whichever file holds them.</summary>
internal static class SubgraphReader
{
    /// <summary>Reads a subgraph.json strictly, or the pins and supernodes of graph JSON.</summary>
    /// <exception cref="SubgraphException">It cannot be read, or is neither.</exception>
    public static Subgraph Read(string path)
    {
        using var document = SubgraphFile.Parse(path);
        var root = document.RootElement;
        return GraphPins.Is(root) ? GraphPins.Read(root, path) : SubgraphFile.Read(root, path);
    }
}
