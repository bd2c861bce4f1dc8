using OnnxAttribution.Attribution;
using OnnxAttribution.Patching;

namespace OnnxAttribution.Runs;

/// <summary>What a sweep of activation patching is asked for.</summary>
/// <param name="What">The kinds of activations, each layer by layer.</param>
/// <param name="Direction">Which run is patched.</param>
/// <param name="Metric">What is measured.</param>
/// <param name="CommandLine">As it could be typed again; null: a program asks.</param>
public sealed record PatchRequest(IReadOnlyList<PatchKind> What, PatchDirection Direction = PatchDirection.Denoising,
    MetricKind Metric = MetricKind.LogitDiff, string? CommandLine = null)
{
    /// <summary>Activations of heads are patched at each position too.</summary>
    public bool ByPosition { get; init; }

    /// <summary>Attribution patching stands beside what is measured: one forward and backward pass a prompt.</summary>
    public bool Estimate { get; init; }

    /// <summary>The token position that the metric is read at, from 0, BOS counted; null: at the last token.</summary>
    public int? Position { get; init; }

    /// <summary>Whether prompts get a BOS; null: as the model's dictionaries were trained.</summary>
    public bool? PrependBos { get; init; }
}

/// <summary>How much of the metric one patched activation brings over.</summary>
/// <param name="Place">The activation.</param>
/// <param name="Metric">The metric of the patched run, in the metric's unit.</param>
/// <param name="Score">(patched − as it was) / (other run − as it was), of metrics: no unit; 0: nothing changed, 1: as the other run,
/// below 0: further from it. Of many prompts a ratio of means; NaN where a prompt alone has the same metric in both runs.</param>
/// <param name="EstimatedScore">What attribution patching says of the score, no unit; NaN where it was not asked for.</param>
public sealed record PatchScore(PatchPlace Place, double Metric, double Score, double EstimatedScore)
{
    /// <summary>What it says of the metric's change, in the metric's unit.</summary>
    internal double EstimatedChange { get; init; } = double.NaN;
}

/// <summary>A pair of prompts that was patched.</summary>
/// <param name="Id">The prompt's id.</param>
/// <param name="Clean">The metric of the clean run, in the metric's unit.</param>
/// <param name="Corrupted">That of the corrupted run, in the metric's unit.</param>
/// <param name="Scores">As many as the sweep has places, in their order.</param>
public sealed record PatchedPair(string Id, double Clean, double Corrupted, IReadOnlyList<PatchScore> Scores);
