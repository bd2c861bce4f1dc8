using System.Globalization;

namespace OnnxAttribution.Store;

/// <summary>Names within a dataset of prompts' runs.</summary>
internal static class DatasetNames
{
    public const string Nodes = "nodes", Edges = "edges", Prompts = PromptRow.Table;

    /// <summary>Each a folder of parts. The prompts' come last: a part is whole where its file of prompts is there.</summary>
    public static IReadOnlyList<string> Tables { get; } = [Nodes, Edges, Prompts];

    /// <summary>The part that a file is named for; −1 where it is none's.</summary>
    public static int NumberOf(string name) => name.Split('-', '.') is ["part", var digits, "parquet"]
        && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var part) ? part : -1;

    /// <summary>A part's file in the folder of a table.</summary>
    /// <param name="part">From 0.</param>
    public static string Part(int part) => string.Create(CultureInfo.InvariantCulture, $"part-{part:000000}.parquet");
}
