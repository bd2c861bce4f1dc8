namespace OnnxAttribution.Store;

/// <summary>A directory of clusters: clusters.json, Parquet tables, and each cluster's prompts as a file that <c>graph --prompts</c> takes.
/// </summary>
internal static class ClusterDirectory
{
    private const string PromptsFolder = "prompts", PromptsExtension = ".jsonl";

    private static readonly TableDirectory s_directory =
        new("clusters", "clusters.json", [ClusterRow.Table, MemberRow.Table, ClusterNodeRow.Table]) { IsFurther = IsFolderOfPrompts };

    /// <summary>Where a cluster's prompts lie in the directory.</summary>
    public static string PromptsOf(string path, int cluster) => Path.Combine(path, PromptsFolder, $"{cluster}{PromptsExtension}");

    /// <inheritdoc cref="TableDirectory.CheckFree"/>
    public static void CheckFree(string path, bool force) => s_directory.CheckFree(path, force);

    /// <inheritdoc cref="TableDirectory.Write"/>
    public static void Write(string path, bool force, ClusterContents contents, CancellationToken cancel) =>
        s_directory.Write(path, force, new(RunJson.ToObject(contents.Record), contents.Tables, aside =>
        {
            Directory.CreateDirectory(Path.Combine(aside, PromptsFolder));
            foreach (var (cluster, lines) in contents.Prompts) File.WriteAllText(PromptsOf(aside, cluster), lines);
        }), cancel);

    private static bool IsFolderOfPrompts(string path) => Path.GetFileName(path) == PromptsFolder && Directory.Exists(path)
        && Directory.EnumerateFileSystemEntries(path).All(e => File.Exists(e) && IsOfPrompts(Path.GetFileName(e)));

    private static bool IsOfPrompts(string name) => name.EndsWith(PromptsExtension, StringComparison.Ordinal)
        && name.AsSpan(0, name.Length - PromptsExtension.Length) is { Length: > 0 } number && !number.ContainsAnyExceptInRange('0', '9');
}

/// <summary>All that is written of clusters.</summary>
/// <param name="Record">How they were found, and how good they are.</param>
/// <param name="Tables">By name, those that there are.</param>
/// <param name="Prompts">Each cluster's, as lines of JSON.</param>
internal sealed record ClusterContents(ClusterRecord Record, IReadOnlyDictionary<string, StoredTable> Tables,
    IReadOnlyDictionary<int, string> Prompts);
