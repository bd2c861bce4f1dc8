using OnnxAttribution.Texts;

namespace OnnxAttribution.Store;

/// <summary>Where the mean of a batch's runs lies: in <c>BATCH/merged/mean</c>, one level below them,
/// so that patterns such as <c>BATCH/*/nodes.parquet</c> match the runs of the prompts alone; a dataset's in <c>DATASET/mean</c>.</summary>
/// <remarks>Batches written before have it in <c>BATCH/merged</c>. <c>merged</c> means either.</remarks>
internal static class MergedRun
{
    /// <summary>The directory beside the runs that the mean is in, which no run of a prompt may be.</summary>
    public const string Name = PromptTask.MergedId;

    /// <summary>The run that a path means: what is there, or the mean within.</summary>
    public static string Locate(string path) =>
        !IsRun(path) && Path.Combine(path, RunNames.Mean) is var mean && IsRun(mean) && Is(mean) ? mean : path;

    /// <summary>What people call the run: of a mean the directory around it.</summary>
    /// <param name="run">A run directory.</param>
    public static string Named(string run)
    {
        var full = Full(run);
        return Path.GetFileName(full) == RunNames.Mean && Is(full) ? Path.GetDirectoryName(full)! : run;
    }

    /// <summary>The dataset that a run is the mean of; null where it is none's.</summary>
    /// <param name="run">A run directory.</param>
    public static string? DatasetOf(string run) => Path.GetFileName(Full(run)) == RunNames.Mean
        && Path.GetDirectoryName(Full(run)) is { } above && DatasetNames.Is(above) ? above : null;

    /// <summary>Absolute path of the directory that a run is one of many in, also of the mean's.</summary>
    /// <param name="run">A run directory.</param>
    public static string BatchOf(string run) => Path.GetDirectoryName(Full(Named(run))) ?? "";

    /// <summary>The run of one of a batch's prompts, and its run.json; null each where it is not there, or the id is no name that a run
    /// may have, and so no place to look at.</summary>
    public static (string? Directory, RunRecord? Record) RunOf(string batch, string id)
    {
        if (!PromptId.CanName(id)) return (null, null);
        try
        {
            var directory = Path.Combine(batch, id);
            return (directory, RunFile.Read(Path.Combine(Locate(directory), RunNames.RecordFile)).Record);
        }
        catch (RunDirectoryException)
        {
            return (null, null);
        }
    }

    /// <summary>What to do, in words, where a mean does not do.</summary>
    /// <param name="path">Of the mean, or what is around it.</param>
    /// <param name="ids">Of the prompts; empty: not known, or not to be named.</param>
    public static string OneOf(string path, IReadOnlyList<string> ids)
    {
        var run = Locate(path);
        return DatasetOf(run) is not null ? "draw the graph of one of its prompts in a directory of its own"
            : $"name one of the runs in {BatchOf(run)}{(ids.Count == 0 ? "" : ": ")}{string.Join(", ", ids.Take(8))}"
                + (ids.Count > 8 ? ", …" : "");
    }

    /// <summary>Whether a run directory is of the mean of many prompts.</summary>
    public static bool Is(string run) => RunFile.Read(Path.Combine(run, RunNames.RecordFile)).Record is MergedRunRecord;

    private static bool IsRun(string directory) => File.Exists(Path.Combine(directory, RunNames.RecordFile));

    private static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
}
