using System.Collections.Frozen;

namespace OnnxAttribution.Store;

/// <summary>The tables that a run may hold beside its nodes and edges,
/// each in a Parquet file of its name, and the verb that writes each.</summary>
internal static class FurtherTables
{
    private static readonly FrozenDictionary<string, string> Verbs = new Dictionary<string, string>
    {
        ["validation"] = "onnx-attribution validate RUN",
        ["faithfulness"] = "onnx-attribution ablate --faithfulness RUN",
        ["logits"] = "onnx-attribution ablate --out RUN",
        ["curve"] = "onnx-attribution ablate --up FEATURE --down FEATURE --out RUN/curve.parquet",
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    /// <summary>In a fixed order.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Verbs.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The command that writes a table; null where no verb does.</summary>
    public static string? Verb(string name) => Verbs.GetValueOrDefault(name);

    /// <summary>The name of a table's file within a run.</summary>
    /// <exception cref="ArgumentException">No run holds such a table:
    /// were it written, <c>--force</c> would take it for somebody else's file.</exception>
    public static string File(string name) => Names.Contains(name)
        ? name + ".parquet"
        : throw new ArgumentException($"No run holds a table '{name}', only {string.Join(", ", Names)}.", nameof(name));
}
