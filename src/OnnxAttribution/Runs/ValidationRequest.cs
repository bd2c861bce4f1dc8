namespace OnnxAttribution.Runs;

/// <summary>How a finished run is checked against real interventions.</summary>
/// <param name="Sample">Nodes to check, and five times as many edges.</param>
/// <param name="All">Check every node and every edge that the run holds.</param>
/// <param name="Seed">Of the draw.</param>
/// <param name="Compare">Further estimators to judge against the same exact effects:
/// <c>gradient</c>, <c>ig</c>, <c>relp</c>, <c>frozen</c>.</param>
/// <param name="Steps">Of <c>ig</c> there.</param>
public sealed record ValidationRequest(int Sample = 200, bool All = false, int Seed = 0, IReadOnlyList<string>? Compare = null,
    int Steps = 10);
