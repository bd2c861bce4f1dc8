using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Where the run of a subgraph lies.</summary>
internal static class SubgraphRuns
{
    /// <summary>The run that a file is of: of the directory that it lies in, of the path that it says, from here or from the file's
    /// directory, the first that can be it.</summary>
    /// <param name="file">The subgraph's.</param>
    /// <returns>Its directory and its record; null: none of them is.</returns>
    /// <exception cref="RunDirectoryException">A run that could be it is damaged.</exception>
    public static (string Path, RunRecord Record)? Find(Subgraph subgraph, string file)
    {
        var beside = Path.GetDirectoryName(Path.GetFullPath(file))!;
        List<string> places = [beside];
        if (subgraph.Run?.Path is { Length: > 0 } said) places.AddRange([said, Path.Combine(beside, said)]);
        foreach (var place in places)
        {
            if (!Directory.Exists(place)) continue;
            var run = MergedRun.Locate(place);
            if (!File.Exists(Path.Combine(run, RunNames.RecordFile))) continue;
            var record = RunDirectory.ReadRecord(run);
            if (subgraph.Run?.CanBe(record) != false) return (run, record);
        }
        return null;
    }

    /// <summary>Why a subgraph has no run, and what to do.</summary>
    /// <param name="file">The subgraph's.</param>
    public static string Missing(Subgraph subgraph, string file) => subgraph.Run?.Path is { } path
        ? $"{file} is a subgraph of the run {path}, which is not there or is another by now; put the file into its run's directory, "
            + "or name model and prompt"
        : $"{file} does not say which run it is a subgraph of; put it into its run's directory, or name model and prompt";
}
