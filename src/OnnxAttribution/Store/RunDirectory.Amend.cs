using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

public static partial class RunDirectory
{
    /// <summary>Sets keys of a finished run's run.json; the others, and all tables, stay.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="addition">Keys to set.</param>
    /// <param name="cancel">Stops the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The path is no finished run,
    /// a file is damaged, or the directory cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    internal static void Amend(string path, RunAddition addition, CancellationToken cancel = default)
    {
        path = MergedRun.Locate(path);
        var file = Path.Combine(path, RunNames.RecordFile);
        CheckFinished(path);
        Exception Unchangeable(Exception why) => RunDirectoryException.Unchangeable(Path.GetFullPath(path), why);
        using var output = new OutputFile(file, Unchangeable, cancel);
        var json = RunFile.Read(file).With(addition);
        Writing(Unchangeable, () => json.Write(output.Aside));
        output.Commit();
    }
}
