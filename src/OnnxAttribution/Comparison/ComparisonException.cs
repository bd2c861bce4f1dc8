using OnnxAttribution.Files;

namespace OnnxAttribution.Comparison;

/// <summary>Two runs that cannot be compared. The message is one sentence that says why, and what to do.</summary>
public sealed class ComparisonException : OnnxAttributionException
{
    private ComparisonException(string message) : base(message)
    {
    }

    internal static ComparisonException Summed(string summed, string other) =>
        new($"{summed} is summed over positions and {other} is not, so that no node of theirs is the same; compare them by feature")
        {
            Settings = [Setting.Align]
        };

    internal static ComparisonException OtherDictionaries(string runA, string runB, string site) =>
        new($"{runA} and {runB} have other dictionaries at {site}, so that equal numbers are not equal features; "
            + "compare runs of the same dictionaries");

    internal static ComparisonException Replaced(string run, string site) =>
        new($"in {run} alone transcoders stand for MLPs, so that its features at {site} are not those of the other; "
            + "compare runs of the same dictionaries")
        {
            Settings = [Setting.Replace]
        };

    internal static ComparisonException NothingShared(string runA, string runB) =>
        new($"{runA} and {runB} have no site in common, so there is nothing to compare; choose the same sites for both")
        {
            Settings = [Setting.Sites]
        };
}
