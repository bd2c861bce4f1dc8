using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A directory of clusters: clusters.json, Parquet tables, and each cluster's prompts as a file that <c>graph --prompts</c> takes.
/// </summary>
internal static class ClusterDirectory
{
    private const string RecordFile = "clusters.json", PromptsFolder = "prompts", PromptsExtension = ".jsonl";

    private static readonly string[] s_tables = [ClusterRow.Table, MemberRow.Table, ClusterNodeRow.Table];

    /// <summary>Where a cluster's prompts lie in the directory.</summary>
    public static string PromptsOf(string path, int cluster) => Path.Combine(path, PromptsFolder, $"{cluster}{PromptsExtension}");

    /// <summary>Refuses a place that clusters may not be written to. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">Something is there and <paramref name="force"/> is off, or it is no directory of clusters,
    /// or lies in a run or a dataset.</exception>
    public static void CheckFree(string path, bool force)
    {
        var full = Path.GetFullPath(path);
        DatasetDirectory.RequireOutsideOfRuns(full);
        if (File.Exists(full)) throw RunDirectoryException.NoClusters(path);
        if (!Directory.Exists(full)) return;
        var names = Directory.EnumerateFileSystemEntries(full).Select(e => Path.GetFileName(e)!).ToList();
        if (names.Count == 0) return;
        if (!names.Contains(RecordFile) || names.Exists(n => !IsOurs(full, n))) throw RunDirectoryException.NoClusters(path);
        if (!force) throw RunDirectoryException.ClustersExist(path);
    }

    /// <summary>Writes the directory, whole or not at all.</summary>
    /// <inheritdoc cref="CheckFree" path="/exception"/>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static void Write(string path, bool force, ClusterContents contents, CancellationToken cancel)
    {
        CheckFree(path, force);
        var full = Path.GetFullPath(path);
        try
        {
            if (AsideName.RemoveLeftovers(full)) throw RunDirectoryException.Busy(path);
            using var output = new OutputDirectory(full);
            var spill = Path.Combine(output.Aside, ".spill");
            using (var writer = new RunTables(spill, []))
            {
                foreach (var (name, table) in contents.Tables)
                {
                    writer.WriteTable(Path.Combine(output.Aside, name + ".parquet"), table, cancel);
                }
            }
            if (Directory.Exists(spill)) Directory.Delete(spill, recursive: true);
            Directory.CreateDirectory(Path.Combine(output.Aside, PromptsFolder));
            foreach (var (cluster, lines) in contents.Prompts) File.WriteAllText(PromptsOf(output.Aside, cluster), lines);
            var record = RunJson.Written(RunJson.ToObject(contents.Record));
            File.WriteAllText(Path.Combine(output.Aside, RecordFile), record, new UTF8Encoding(false));
            cancel.ThrowIfCancellationRequested();
            output.Commit();
        }
        catch (Exception e) when (e is DuckDbException or IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(path, e);
        }
    }

    // by its whole name: who replaces the directory loses all that is in it
    private static bool IsOurs(string full, string name)
    {
        var path = Path.Combine(full, name);
        if (AsideName.PlaceOf(name) is not null) return true;
        if (name != PromptsFolder) return File.Exists(path) && (name == RecordFile || s_tables.Any(table => name == table + ".parquet"));
        return Directory.Exists(path)
            && Directory.EnumerateFileSystemEntries(path).All(e => File.Exists(e) && IsOfPrompts(Path.GetFileName(e)));
    }

    private static bool IsOfPrompts(string name) => name.EndsWith(PromptsExtension, StringComparison.Ordinal)
        && name.AsSpan(0, name.Length - PromptsExtension.Length) is { Length: > 0 } number && !number.ContainsAnyExceptInRange('0', '9');
}

/// <summary>All that is written of clusters.</summary>
/// <param name="Record">How they were found, and how good they are.</param>
/// <param name="Tables">By name, those that there are.</param>
/// <param name="Prompts">Each cluster's, as lines of JSON.</param>
internal sealed record ClusterContents(ClusterRecord Record, IReadOnlyDictionary<string, StoredTable> Tables,
    IReadOnlyDictionary<int, string> Prompts);
