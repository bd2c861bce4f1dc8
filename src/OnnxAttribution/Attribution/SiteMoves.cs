namespace OnnxAttribution.Attribution;

/// <summary>Changes of a downstream site, one row each.</summary>
/// <param name="Ups">Which upstream node made it, by its index in the graph.</param>
/// <param name="Positions">Where.</param>
/// <param name="Changes">Δx, [moves, d].</param>
internal sealed record SiteMoves(IReadOnlyList<int> Ups, IReadOnlyList<int> Positions, float[] Changes)
{
    /// <summary>Some changes behind each other.</summary>
    public static SiteMoves Of(IReadOnlyList<SiteMoves> parts) => parts is [var only]
        ? only
        : new([.. parts.SelectMany(p => p.Ups)], [.. parts.SelectMany(p => p.Positions)], [.. parts.SelectMany(p => p.Changes)]);
}
