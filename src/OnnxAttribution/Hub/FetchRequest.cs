namespace OnnxAttribution.Hub;

/// <summary>What is to be fetched, and where to.</summary>
/// <param name="Model">A model by a name of the table of releases, or OWNER/NAME, with @REVISION behind where one is wanted.</param>
/// <param name="Out">The directory that becomes a checkpoint with its dictionaries in it.</param>
internal sealed record FetchRequest(string Model, string Out)
{
    /// <summary>Releases of the table, or repositories as <c>hf:OWNER/NAME</c>, with @REVISION behind where one is wanted.</summary>
    public IReadOnlyList<string> Dictionaries { get; init; } = [];

    /// <summary>Only dictionaries of these blocks; null: of all.</summary>
    public IReadOnlySet<int>? Layers { get; init; }

    /// <summary>Only dictionaries of these kinds of sites; empty: of all.</summary>
    public IReadOnlyList<string> Sites { get; init; } = [];

    public FetchMode Mode { get; init; }
}

/// <summary>How far it goes.</summary>
internal enum FetchMode
{
    /// <summary>What is missing is fetched; what is there with the right size is left alone.</summary>
    Missing,

    /// <summary>As that, and what is there is compared with its checksum.</summary>
    Verify,

    /// <summary>Nothing is fetched; the result says what would be.</summary>
    List,
}

/// <summary>How far the fetching is.</summary>
/// <param name="File">Relative to the folder.</param>
/// <param name="Bytes">Of all files, those that are there.</param>
/// <param name="Total">Of all files; at least what is known of them.</param>
/// <param name="PerSecond">NaN before anything came.</param>
internal readonly record struct FetchProgress(string File, long Bytes, long Total, double PerSecond)
{
    public double Share => Total > 0 ? (double)Bytes / Total : double.NaN;

    /// <summary>null while it cannot be told.</summary>
    public TimeSpan? Remaining => PerSecond > 0 ? TimeSpan.FromSeconds(Math.Min((Total - Bytes) / PerSecond, 1e7)) : null;
}

/// <summary>What was fetched, or would be.</summary>
internal sealed record FetchResult(IReadOnlyList<FetchedFile> Files, IReadOnlyList<FetchRecord.Repository> Repositories)
{
    /// <summary>Remarks, a line each.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}

/// <summary>A file of the folder.</summary>
/// <param name="Place">Relative to the folder, with slashes.</param>
/// <param name="Had">Bytes that were there before.</param>
/// <param name="WasThere">It was whole.</param>
internal sealed record FetchedFile(string Place, string Repository, long? Size, long Had, bool WasThere)
{
    /// <summary>What it was checked by when it came; null: it was there, or the hub gives no checksum.</summary>
    public string? CheckedBy { get; init; }
}
