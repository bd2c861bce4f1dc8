namespace OnnxAttribution.Dashboards;

/// <summary>Another feature of the same dictionary.</summary>
/// <param name="Feature">Its column in the dictionary.</param>
/// <param name="Cosine">Cosine of the two decoder rows.</param>
internal sealed record NearFeature(int Feature, float Cosine);
