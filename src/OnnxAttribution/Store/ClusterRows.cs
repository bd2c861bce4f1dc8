using static OnnxAttribution.Store.StoredType;

namespace OnnxAttribution.Store;

/// <summary>A row of clusters.parquet.</summary>
/// <param name="Cluster">From 1, the largest first.</param>
internal sealed record ClusterRow(int Cluster, int Prompts, double Silhouette, double Similarity, string Typical, string Odd)
    : ITableRow<ClusterRow>
{
    public static string Table => "clusters";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Cluster), Integer, "from 1, the largest first"),
        StoredColumn.Of(nameof(Prompts), Integer, "how many are in it"),
        StoredColumn.Of(nameof(Silhouette), StoredType.Double, "mean of its prompts' silhouettes, by cosine distance"),
        StoredColumn.Of(nameof(Similarity), StoredType.Double, "mean cosine of its prompts with their sum"),
        StoredColumn.Of(nameof(Typical), Varchar, "id of the prompt with the largest such cosine"),
        StoredColumn.Of(nameof(Odd), Varchar, "id of the prompt with the least silhouette"),
        StoredColumn.Of(nameof(TypicalPrompt), Varchar, "the text of the typical prompt"),
        StoredColumn.Of(nameof(OddPrompt), Varchar, "the text of the odd one"),
        StoredColumn.Of(nameof(Label), Varchar, "the label that most of its prompts have; NULL where none has one"),
        StoredColumn.Of(nameof(LabelShare), StoredType.Double, "the share of its prompts that have it"),
    ];

    public string? TypicalPrompt { get; init; }

    public string? OddPrompt { get; init; }

    public string? Label { get; init; }

    public double LabelShare { get; init; } = double.NaN;

    public void AddTo(StoredTable table) =>
        table.Add(Cluster, Prompts, Silhouette, Similarity, Typical, Odd, TypicalPrompt, OddPrompt, Label, LabelShare);

    public static ClusterRow Read(RowCells cells) =>
        new(cells.Integer(), cells.Integer(), cells.Double(), cells.Double(), cells.Text(), cells.Text())
        {
            TypicalPrompt = cells.TextOrNull(),
            OddPrompt = cells.TextOrNull(),
            Label = cells.TextOrNull(),
            LabelShare = cells.Double(),
        };
}

/// <summary>A row of members.parquet: a prompt and its cluster.</summary>
internal sealed record MemberRow(string Run, int Line, int? Cluster) : ITableRow<MemberRow>
{
    public static string Table => "members";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Run), Varchar, "the prompt's id, as in the dataset"),
        StoredColumn.Of(nameof(Line), Integer, "its line in the file of prompts"),
        StoredColumn.Of(nameof(Cluster), Integer, "its cluster; NULL where it kept no feature, or all are alike"),
        StoredColumn.Of(nameof(Silhouette), StoredType.Double, "from −1 to 1, by cosine distance; 0 of one that is alone"),
        StoredColumn.Of(nameof(Similarity), StoredType.Double, "its cosine with its cluster's sum"),
        StoredColumn.Of(nameof(Nearest), Integer, "the nearest other cluster; NULL where there is none"),
        StoredColumn.Of(nameof(Label), Varchar, "its `label`; NULL without"),
        StoredColumn.Of(nameof(Prompt), Varchar, "its text"),
    ];

    public double Silhouette { get; init; } = double.NaN;

    public double Similarity { get; init; } = double.NaN;

    public int? Nearest { get; init; }

    public string? Label { get; init; }

    public string? Prompt { get; init; }

    public void AddTo(StoredTable table) => table.Add(Run, Line, Cluster, Silhouette, Similarity, Nearest, Label, Prompt);

    public static MemberRow Read(RowCells cells) => new(cells.Text(), cells.Integer(), cells.IntegerOrNull())
    {
        Silhouette = cells.Double(),
        Similarity = cells.Double(),
        Nearest = cells.IntegerOrNull(),
        Label = cells.TextOrNull(),
        Prompt = cells.TextOrNull(),
    };
}

/// <summary>A row of cluster_nodes.parquet: a feature that is strong in a cluster.</summary>
internal sealed record ClusterNodeRow(int Cluster, string Site, int Feature, double Effect, int Prompts, double Share)
    : ITableRow<ClusterNodeRow>
{
    public static string Table => "cluster_nodes";

    public static StoredColumn[] Columns { get; } =
    [
        StoredColumn.Of(nameof(Cluster), Integer, "from 1"),
        StoredColumn.Of(nameof(Site), Varchar, "hook name"),
        StoredColumn.Of(nameof(Feature), Integer, "the feature's column in the dictionary"),
        StoredColumn.Of(nameof(Effect), StoredType.Double,
            "mean over the cluster's prompts of the effects of its kept nodes, summed over positions; 0 counts where none was kept"),
        StoredColumn.Of(nameof(Prompts), Integer, "how many of them kept it"),
        StoredColumn.Of(nameof(Share), StoredType.Double, "the share of the cluster's prompts that did"),
    ];

    public void AddTo(StoredTable table) => table.Add(Cluster, Site, Feature, Effect, Prompts, Share);

    public static ClusterNodeRow Read(RowCells cells) =>
        new(cells.Integer(), cells.Text(), cells.Integer(), cells.Double(), cells.Integer(), cells.Double());
}
