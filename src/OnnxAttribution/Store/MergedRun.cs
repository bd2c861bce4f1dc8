using OnnxAttribution.Texts;

namespace OnnxAttribution.Store;

/// <summary>Where the mean of a batch's runs lies: in <c>BATCH/merged/mean</c>, one level below them,
/// so that patterns such as <c>BATCH/*/nodes.parquet</c> match the runs of the prompts alone.</summary>
/// <remarks>Batches written before have it in <c>BATCH/merged</c>. <c>merged</c> means either.</remarks>
internal static class MergedRun
{
    /// <summary>The directory beside the runs that the mean is in, which no run of a prompt may be.</summary>
    public const string Name = PromptFile.MergedId;

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

    /// <summary>Absolute path of the directory that a run is one of many in, also of the mean's.</summary>
    /// <param name="run">A run directory.</param>
    public static string BatchOf(string run) => Path.GetDirectoryName(Full(Named(run))) ?? "";

    /// <summary>Whether a run directory is of the mean of many prompts.</summary>
    public static bool Is(string run) => RunFile.Read(Path.Combine(run, RunNames.RecordFile)).Record is MergedRunRecord;

    private static bool IsRun(string directory) => File.Exists(Path.Combine(directory, RunNames.RecordFile));

    private static string Full(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
}
