namespace OnnxAttribution.Store;

public static partial class RunDirectory
{
    /// <summary>Reads a run back, all of it into memory: 20 bytes per edge.</summary>
    /// <param name="path">The run directory, or one that holds the mean of a batch.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="RunDirectoryException">A file is missing or damaged; the message names it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static StoredRun Read(string path, CancellationToken cancel = default)
    {
        path = MergedRun.Locate(path);
        var record = RunFile.Read(Path.Combine(path, RunNames.RecordFile)).Record;
        var (nodes, edges) = (ParquetFile.Checked(path, RunNames.NodesFile), ParquetFile.Checked(path, RunNames.EdgesFile));
        using var reader = new RunReader();
        var nodeRows = Reading(nodes, () => reader.ReadNodes(nodes, cancel));
        var (edgeRows, metricPosition, switchedOn) = Reading(edges, () => reader.ReadEdges(edges, nodeRows, cancel));
        return new StoredRun(nodeRows, edgeRows, metricPosition, record) { SwitchedOn = switchedOn };
    }

    /// <summary>Reads run.json alone.</summary>
    /// <param name="path">The run directory, or one that holds the mean of a batch.</param>
    /// <exception cref="RunDirectoryException">It is missing or damaged.</exception>
    public static RunRecord ReadRecord(string path) => RunFile.Read(Path.Combine(MergedRun.Locate(path), RunNames.RecordFile)).Record;

    private static T Reading<T>(string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }
}
