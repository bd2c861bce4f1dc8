namespace OnnxAttribution.Runs;

/// <summary>How it is bounded what a graph has left out.</summary>
/// <param name="Samples">How many dropped nodes, how many subsets of them and how many dropped edges are really patched: a row of a pass
/// each. At least 18, so that some subset bounds something.</param>
/// <param name="Seed">Seed of the draws: the same seed draws the same.</param>
/// <param name="Threshold">|effect| above which a dropped one counts as missed, from 0, in the metric's unit; null: the smallest that
/// the graph keeps (of a feature, and of an edge).</param>
public sealed record CertificateRequest(int Samples = CertificateRequest.UsualSamples, int Seed = 0, float? Threshold = null)
{
    /// <summary><see cref="Samples"/> where nothing else is asked for.</summary>
    public const int UsualSamples = 300;
}
