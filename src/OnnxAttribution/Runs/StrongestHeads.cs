using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>The heads that a finished run's edges pass, as its heads.parquet has them.</summary>
internal static class StrongestHeads
{
    /// <summary>The strongest first.</summary>
    /// <exception cref="RunDirectoryException">The run has no heads.parquet, or it is damaged.</exception>
    /// <exception cref="AttributionException">None of its edges passes attention.</exception>
    public static IReadOnlyList<HeadTotal> Of(string run, CancellationToken cancel)
    {
        if (RunDirectory.ReadRecord(run) is MergedRunRecord)
        {
            throw new AttributionException(
                $"{run} is the mean of many prompts, whose edges are not split by heads; {MergedRun.OneOf(run, [])}");
        }
        var totals = HeadTotal.Of(RunDirectory.ReadRows<HeadRow>(run, cancel));
        return totals.Count > 0
            ? totals
            : throw new AttributionException($"no edge of {run} passes attention: its sites lie on both sides of none, or the limits kept "
                + "no such edge; select the residual stream before and after a block, or keep more edges");
    }
}
