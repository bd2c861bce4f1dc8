using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A run that cannot be validated; the message says why and how to fix it.</summary>
public sealed class ValidationException : OnnxAttributionException
{
    private ValidationException(string message) : base(message)
    {
    }

    internal static ValidationException Merged(string run, IReadOnlyList<string> ids) => new(
        $"{run} is the mean of many prompts, and there is no one prompt to patch; "
        + (MergedRun.DatasetOf(MergedRun.Locate(run)) is not null ? MergedRun.OneOf(run, ids)
            : $"validate the runs in {MergedRun.BatchOf(run)}, one by one"
                + $"{(ids.Count > 0 ? ": " : "")}{string.Join(", ", ids.Take(8))}{(ids.Count > 8 ? ", …" : "")}"));

    internal static ValidationException NotEstimated(string run) =>
        new($"{run} is a run of ablate, whose effects are exact; validate a graph, whose effects are estimates")
        {
            Next = new NextStep(StepKind.DrawGraph)
        };

    internal static ValidationException Summed(string run) =>
        new($"{run} is summed over positions, and a sum cannot be patched; make the run again without summing")
        {
            Settings = [Setting.Aggregate]
        };

    internal static ValidationException OtherModel(string run, string model) =>
        new($"{run} was made with another model than {model} is now (their bundle_sha256 differ); "
            + "name the bundle it was made with, or make the run again")
        {
            Settings = [Setting.Model]
        };

    internal static ValidationException NoModel(string run, string model) =>
        new($"{run} was made with {model}, which is not there; name where the bundle is now") { Settings = [Setting.Model] };

    internal static ValidationException Lacks(string run, string key) =>
        new($"the run.json of {run} has no usable '{key}'; draw the graph again") { Next = new NextStep(StepKind.DrawGraph) };

    internal static ValidationException NothingDropped(string run) =>
        new($"{run} keeps every node and every edge that can do anything, so there is nothing to bound; draw a graph with limits")
        {
            Next = new NextStep(StepKind.DrawGraph)
        };

    internal static ValidationException TooFewSamples(int samples, int least) =>
        new($"{samples} samples bound nothing; take {least} or more");

    internal static ValidationException NoThreshold(float threshold) =>
        new($"{threshold} is no threshold of |effect|; give a number from 0");

    internal static ValidationException NoGradient(string estimator) =>
        new($"the metric kl has gradient 0 at the clean run, so the estimator {estimator} would find nothing; compare ig, or none")
        {
            Settings = [Setting.Compare]
        };
}
