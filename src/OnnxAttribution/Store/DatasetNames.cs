using System.Globalization;

namespace OnnxAttribution.Store;

/// <summary>Names within a dataset of prompts' runs.</summary>
internal static class DatasetNames
{
    public const string Nodes = "nodes", Edges = "edges", Prompts = PromptRow.Table;

    /// <summary>Views of the mean.</summary>
    public const string MeanNodes = "mean_nodes", MeanEdges = "mean_edges";

    /// <summary>Of what the mean is made from, until it is whole.</summary>
    public const string Sums = RunNames.Sums, NodeSums = "sums/nodes", Moved = "sums/moved", Effects = "sums/effects",
        EdgeSums = "sums/edges";

    /// <summary>The prompts that a template was expanded to, beside the parts; where there was a template.</summary>
    public const string ExpandedPrompts = "prompts.jsonl";

    /// <summary>Each a folder of parts. The prompts' come last: a part is whole where its file of prompts is there.</summary>
    public static IReadOnlyList<string> Tables { get; } = [Nodes, Edges, Prompts];

    /// <summary>What a part leaves for the mean: of the prompts' first pass, and of the second, whose edges come last.</summary>
    public static IReadOnlyList<string> FirstSums { get; } = [NodeSums, Moved];

    /// <inheritdoc cref="FirstSums"/>
    public static IReadOnlyList<string> SecondSums { get; } = [Effects, EdgeSums];

    /// <summary>Whether a directory is a dataset, or was begun as one.</summary>
    public static bool Is(string path) => File.Exists(Path.Combine(path, RunNames.DatasetFile));

    /// <summary>The part that a file is named for; −1 where it is none's.</summary>
    public static int NumberOf(string name) => name.Split('-', '.') is ["part", var digits, "parquet"]
        && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var part) ? part : -1;

    /// <summary>A part's file in the folder of a table.</summary>
    /// <param name="part">From 0.</param>
    public static string Part(int part) => string.Create(CultureInfo.InvariantCulture, $"part-{part:000000}.parquet");
}
