namespace OnnxAttribution.Store;

/// <summary>Names of a run's files, and of the metric in them.</summary>
internal static class RunNames
{
    /// <summary>What edges.parquet and run.json call the metric where a site's name belongs.</summary>
    public const string MetricSite = "metric";

    /// <summary>Value of <c>options.sign</c> where signs are those of what moving a node away does.</summary>
    public const string AblationSign = "ablation";

    /// <summary>run.json's word for a graph in which transcoders stand for MLPs.</summary>
    public const string ReplacedMlps = "mlp";

    /// <summary>The kind of site that tokens are at.</summary>
    public const string TokenKind = "embed";

    public const string NodesFile = "nodes.parquet";
    public const string EdgesFile = "edges.parquet";
    public const string RecordFile = "run.json";

    /// <summary>What a dataset was asked for, in its directory.</summary>
    public const string DatasetFile = "dataset.json";

    /// <summary>Within a dataset, what its mean is made from.</summary>
    public const string Sums = "sums";

    /// <summary>Of dashboards, in a bundle's directory and not in a run's.</summary>
    public const string FeaturesFile = "features.parquet";

    /// <summary>Of labels, in a bundle's directory too.</summary>
    public const string LabelsFile = "labels.parquet";

    /// <summary>Within the directory of a batch's mean, the run directory.</summary>
    public const string Mean = "mean";

    /// <summary>All files that a run may hold, but for drawings.</summary>
    public static IReadOnlyList<string> Files { get; } =
        [NodesFile, EdgesFile, RecordFile, .. FurtherTables.Names.Concat(FurtherTables.Renamed.Keys).Select(table => table + ".parquet")];
}
