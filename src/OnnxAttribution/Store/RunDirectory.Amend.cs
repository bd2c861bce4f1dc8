using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

public static partial class RunDirectory
{
    /// <summary>Sets keys of a finished run's run.json; the others, and all tables, stay.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="facts">Keys to set. It stays the caller's.</param>
    /// <param name="cancel">Stops the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The path is no finished run,
    /// a file is damaged, or the directory cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    internal static void Amend(string path, JsonObject facts, CancellationToken cancel = default)
    {
        path = MergedRun.Locate(path);
        var factsFile = Path.Combine(path, FactsFile);
        CheckFinished(path);
        Exception Unchangeable(Exception why) => RunDirectoryException.Unchangeable(Path.GetFullPath(path), why);
        using var output = new OutputFile(factsFile, Unchangeable, cancel);
        var merged = RunFacts.Read(factsFile);
        foreach (var (key, value) in facts) merged[key] = value?.DeepClone();
        Writing(Unchangeable, () => RunFacts.Write(output.Aside, merged));
        output.Commit();
    }
}
