using System.Collections.Frozen;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>The tables that a run may hold beside its nodes and edges,
/// each in a Parquet file of its name, and what makes each.</summary>
internal static class FurtherTables
{
    private static readonly FrozenDictionary<string, StepKind> Steps = new Dictionary<string, StepKind>
    {
        ["validation"] = StepKind.Validate,
        ["certificate"] = StepKind.Certify,
        ["faithfulness"] = StepKind.MeasureFaithfulness,
        ["tokens"] = StepKind.AblateFeatures,
        ["curve"] = StepKind.TraceCurve,
        ["heads"] = StepKind.SplitHeads,
        ["targets"] = StepKind.NameOutputs,
        ["score_pairs"] = StepKind.SplitScore,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>In a fixed order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Steps.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Former names of tables, and their names today.
    /// Older runs hold files of the former names, which are read for one version more.</summary>
    public static FrozenDictionary<string, string> Renamed { get; } =
        new Dictionary<string, string> { ["logits"] = "tokens" }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>What makes a table, by its name or its former one; null where it is none of a run's.</summary>
    public static NextStep? Step(string name) =>
        Steps.TryGetValue(Renamed.GetValueOrDefault(name, name), out var step) ? new NextStep(step) : null;

    /// <summary>The name of the file that a table, by its name or its former one, is written to within a run.</summary>
    /// <exception cref="ArgumentException">No run holds such a table:
    /// were it written, a run that is replaced would look like somebody else's.</exception>
    public static string File(string name) => Names.Contains(Renamed.GetValueOrDefault(name, name))
        ? FileOf(Renamed.GetValueOrDefault(name, name))
        : throw new ArgumentException($"No run holds a table '{name}', only {string.Join(", ", Names)}.", nameof(name));

    /// <summary>The name of the file that holds a table in a directory:
    /// <see cref="File"/>, or the former one where only that is there.</summary>
    /// <inheritdoc cref="File" path="/exception"/>
    public static string FileIn(string directory, string name)
    {
        var file = File(name);
        if (System.IO.File.Exists(Path.Combine(directory, file))) return file;
        var former = Renamed.Where(pair => FileOf(pair.Value) == file).Select(pair => FileOf(pair.Key));
        return former.FirstOrDefault(f => System.IO.File.Exists(Path.Combine(directory, f))) ?? file;
    }

    private static string FileOf(string name) => name + ".parquet";
}
