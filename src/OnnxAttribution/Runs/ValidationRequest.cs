namespace OnnxAttribution.Runs;

/// <summary>How a finished run is checked against real interventions.</summary>
/// <param name="Sample">How many nodes to check, at least 1, and five times as many edges.</param>
/// <param name="All">Check every node and every edge that the run holds.</param>
/// <param name="Seed">Seed of the draw: the same seed draws the same sample.</param>
/// <param name="Compare">Further estimators to judge against the same exact effects:
/// <c>gradient</c>, <c>ig</c>, <c>relp</c>, <c>frozen</c>, <c>gim</c>, <c>atpstar</c>, <c>depth-1</c>, <c>depth-2</c>, …,
/// or <c>exact-depth</c> for every depth.</param>
/// <param name="Steps">How many steps <c>ig</c> takes there.</param>
public sealed record ValidationRequest(int Sample = 200, bool All = false, int Seed = 0, IReadOnlyList<string>? Compare = null,
    int Steps = 10);
