namespace OnnxAttribution.Attribution;

/// <summary>Changes of a downstream site, one row each.</summary>
/// <param name="Ups">Which upstream node made it, among those that were moved.</param>
/// <param name="Positions">Where.</param>
/// <param name="Changes">Δx, [moves, d].</param>
internal sealed record SiteMoves(IReadOnlyList<int> Ups, IReadOnlyList<int> Positions, float[] Changes);
