namespace OnnxAttribution.Tests.Hub;

/// <summary>What was asked of a <see cref="HubServer"/>, and how many bytes of a file went out.</summary>
/// <param name="Cdn">Asked of the other host, where large files lie.</param>
/// <param name="Target">Path and query as they came.</param>
internal sealed record ServedRequest(bool Cdn, string Method, string Target, string? Range, string? Authorization)
{
    public long BytesSent { get; set; }

    public ServedFile? File { get; set; }
}
