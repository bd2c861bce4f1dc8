namespace OnnxAttribution.Store;

/// <summary>A row of <c>edges.parquet</c> with <c>down_feature</c> −2: what a node does to a site by way of features that are active in
/// neither run and switch on when it moves. No node is there, so it is no edge.</summary>
/// <param name="Up">Index of the upstream node in <see cref="StoredRun.Nodes"/>.</param>
/// <param name="DownSite">Hook name of the downstream site.</param>
/// <param name="Effect">In the metric's unit, summed over those features and over positions.</param>
public readonly record struct SwitchedOnRow(int Up, string DownSite, float Effect);
