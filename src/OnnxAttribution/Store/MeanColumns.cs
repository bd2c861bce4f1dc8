using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>Columns that the nodes and edges of a dataset's mean have beside a run's: how sure the mean is, and how common the row.
/// </summary>
internal static class MeanColumns
{
    public const string Site = "site", Feature = "feature", UpSite = "up_site", UpFeature = "up_feature", DownSite = "down_site",
        DownFeature = "down_feature";

    /// <summary>In the order of the files, behind a run's columns.</summary>
    public static StoredColumn[] Columns { get; } =
    [
        new("effect_low", Float, "lower end of the effect's bootstrap interval over prompts; NULL of a node that the mean does not choose"),
        new("effect_high", Float, "its upper end"),
        new("share_active", Float, "share of the prompts that have it: where the feature is active, or the edge has an effect"),
        new("share_kept", Float, "share of the prompts whose own graphs keep it, at whatever positions"),
    ];

    /// <summary>A table of them with the names of nodes.</summary>
    public static KeyedColumns OfNodes() => Of([new(Site, Varchar), new(Feature, Integer)]);

    /// <summary>A table of them with the names of edges.</summary>
    public static KeyedColumns OfEdges() =>
        Of([new(UpSite, Varchar), new(UpFeature, Integer), new(DownSite, Varchar), new(DownFeature, Integer)]);

    private static KeyedColumns Of(StoredColumn[] keys) => new(new StoredTable([.. keys, .. Columns]), [.. keys.Select(k => k.Name)]);
}
