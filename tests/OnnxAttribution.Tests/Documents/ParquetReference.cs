using OnnxAttribution.Comparison;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Documents;

/// <summary>docs/reference/parquet.md: its tables are made of the columns that are written and read,
/// the text around them is its own.</summary>
internal static class ParquetReference
{
    public const string File = "docs/reference/parquet.md";

    private const string Head = "| column | type | meaning |\n|---|---|---|\n";

    /// <summary>Tables by name, in the order of the document.</summary>
    public static IReadOnlyList<(string Name, IReadOnlyList<(string Name, string Type, string Meaning)> Columns)> Tables { get; } =
    [
        ("nodes", Of(NodeTable.Columns)), ("edges", Of(EdgeTable.Columns)), Of<ValidationRow>(), Of<CertificateRow>(),
        Of<TargetRow>(), Of<HeadRow>(), Of<ScorePairRow>(), Of<FaithfulnessRow>(), Of<TokenRow>(),
        Of<CurveRow>(), Of<CircuitRow>(), Of<PromptRow>(), ("mean", Of(MeanColumns.Columns)),
        Of<ClusterRow>(), Of<MemberRow>(), Of<ClusterNodeRow>(),
        Of<LensRow>(), Of<LensTokenRow>(), Of<SummandRow>(), Of<PatchRow>(),
        Of<ComparedNode>(), Of<ComparedEdge>(),
        ("features", [.. DashboardRow.Columns.Select(c => (c.Name, c.SqlType, c.Meaning))]),
        ("labels", [.. FeatureLabel.Columns.Select(c => (c.Name, c.SqlType, c.Meaning))]),
    ];

    /// <summary>The name of each column, and its type as SQL names it.</summary>
    public static IEnumerable<(string Name, string Type)> Columns(string table) =>
        Tables.Single(t => t.Name == table).Columns.Select(c => (c.Name, c.Type));

    /// <summary>The document with the table below each heading made anew.</summary>
    public static string Text()
    {
        var lines = Document.Read(File).Lines;
        var (text, heading) = (new List<string>(), "");
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i].StartsWith("## ", StringComparison.Ordinal)) heading = lines[i][3..];
            if (!IsRow(lines[i])) text.Add(lines[i]);
            else if (!IsRow(lines[i - 1])) text.AddRange(Table(heading).Split('\n'));
        }
        return string.Join('\n', text) + "\n";
    }

    private static string Table(string name) => Head + string.Join('\n',
        Tables.Where(t => t.Name == name).SelectMany(t => t.Columns).Select(c => $"| {c.Name} | {c.Type} | {c.Meaning} |"));

    private static bool IsRow(string line) => line.StartsWith('|');

    private static (string, IReadOnlyList<(string, string, string)>) Of<TRow>() where TRow : ITableRow<TRow> =>
        (TRow.Table, Of(TRow.Columns));

    private static IReadOnlyList<(string, string, string)> Of(StoredColumn[] columns) =>
        [.. columns.Select(c => (c.Name, c.SqlType, c.Meaning))];
}
