using System.Text.Json;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

/// <summary>A row record is what its columns say, on the way into a file and out of it.</summary>
public class RowTableTests
{
    [Fact]
    public void Columns_are_the_properties_of_the_record_in_their_order()
    {
        AreProperties<ValidationRow>(ValidationRow.Columns);
        AreProperties<CertificateRow>(CertificateRow.Columns);
        AreProperties<FaithfulnessRow>(FaithfulnessRow.Columns);
        AreProperties<CurveRow>(CurveRow.Columns);
        AreProperties<CircuitRow>(CircuitRow.Columns);
        AreProperties<TokenRow>(TokenRow.Columns);
        AreProperties<HeadRow>(HeadRow.Columns);
        AreProperties<ScorePairRow>(ScorePairRow.Columns);
        AreProperties<ClusterRow>(ClusterRow.Columns);
        AreProperties<MemberRow>(MemberRow.Columns);
        AreProperties<ClusterNodeRow>(ClusterNodeRow.Columns);
        AreProperties<PatchRow>(PatchRow.Columns);
        AreProperties<PromptRow>(PromptRow.Columns);
        AreProperties<NodeRow>(NodeTable.Columns);
    }

    [Fact]
    public void A_row_comes_back_from_a_file_as_it_went()
    {
        ComesBack(
            new ValidationRow("a", "b", "c", "d", 1, 2, "e", 3, 4, 5, 6, 7, 8),
            new ValidationRow("a", "b", "c", "d", 1, 2, null, null, null, float.NaN, float.NegativeInfinity, 7, 8)
            {
                Model = "replacement"
            });
        ComesBack(
            new FaithfulnessRow("a", "b", "c", "d", 1, 2, 3, 4, 5, 6, 7, 8, 9),
            new FaithfulnessRow("a", "b", "c", "d", null, 2, 3, 4, 5, 6, 7, double.NaN, double.NaN));
        ComesBack(
            new CurveRow(1, 2, "a", 3, 4, "b", 5, "c", 6, true, "d"), new CurveRow(1, 2, "", float.NaN, 4, "b", 5, "c", 6, false, null));
        ComesBack(new ClusterRow(1, 2, 3, 4, "a", "b") { TypicalPrompt = "c", Label = "d", LabelShare = 0.5 },
            new ClusterRow(1, 2, 3, 4, "a", "b"));
        ComesBack(new MemberRow("a", 1, 2) { Silhouette = 3, Similarity = 4, Nearest = 5, Label = "b", Prompt = "c" },
            new MemberRow("a", 1, null));
        ComesBack(new ClusterNodeRow(1, "a", 2, 3, 4, 5));
        ComesBack(new CircuitRow("a", "b", 1, "c", 2, 3, 4, 5));
        ComesBack(new TokenRow("a", 1, 2, "b", 3, 4, "c", 5, 6, 7));
        ComesBack(new HeadRow("a", 1, 2, "b", 3, 4, 5, 6, "key", 7, 8),
            new HeadRow("a", 1, -1, "metric", 3, null, null, null, "around", float.NaN, 8));
        ComesBack(new PatchRow("z", "a", 1, 2, 3, "b", "c", 4, 5, 6),
            new PatchRow("resid", "a", 1, null, null, null, null, double.NaN, 5, double.NaN));
        ComesBack(new ScorePairRow(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), new ScorePairRow(1, 2, 3, 4, null, -1, float.NaN, 8, 9, 10));
    }

    [Fact]
    public void Columns_of_a_file_may_stand_in_any_order_and_beside_others()
    {
        var row = new CurveRow(1, 2, "a", 3, 4, "b", 5, "c", 6, true, null);
        var table = new StoredTable([.. CurveRow.Columns.Reverse(), new StoredColumn("other", StoredType.BigInt)]);
        table.Add(row.Cause, row.Switched, row.DownFeature, row.DownSite, row.UpFeature, row.UpSite, row.Line, row.Activation, row.Token,
            row.Position, row.Coefficient, 7L);
        Assert.Equal([row], RowTable.Read<CurveRow>(table, "curve.parquet"));
    }

    [Fact]
    public void What_no_part_of_an_edge_can_be_is_an_error_that_names_file_and_row()
    {
        var good = new HeadRow("a", 1, 2, "b", 3, 4, 5, 6, "key", 7, 8);
        Assert.Equal([good], Read(good));
        Refused("row 2 has no effect", good, good with { Effect = float.NaN });
        Refused("row 1 has no effect", good with { Effect = float.PositiveInfinity });
        Refused("row 1 has the way 'frob'", good with { Way = "frob" });
        Refused("row 1 names no head", good with { Layer = null });
        Refused("row 1 names no head", good with { Head = null });
        Refused("row 1 passes no attention and names a head", good with { Way = "around" });
        Refused("row 1 has no down_feature", good with { DownFeature = null });
        var pair = new ScorePairRow(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
        Refused("row 1 has no score", pair with { Score = float.NaN });
        Refused("row 1 has no pattern", pair with { Pattern = float.NaN });

        static IReadOnlyList<TRow> Read<TRow>(params TRow[] rows) where TRow : ITableRow<TRow> =>
            RowTable.Read<TRow>(RowTable.Of(rows), $"{TRow.Table}.parquet");
        static void Refused<TRow>(string message, params TRow[] rows) where TRow : ITableRow<TRow> =>
            Assert.Contains($"{TRow.Table}.parquet is damaged: {message}",
                Assert.Throws<RunDirectoryException>(() => Read(rows)).Message);
    }

    [Fact]
    public void NULL_where_a_row_has_a_value_is_an_error_that_names_file_row_and_column()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var table = RowTable.Of([new TokenRow("a", 1, 2, "b", 3, 4, "c", 5, 6, 7)]);
        table.Add("a", 1, 2, "b", StoredValue.Null, 4, "c", 5f, 6f, 7f);
        RunDirectory.Annotate(run, TokenRow.Table, table, new RunAddition());
        var message = Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadRows<TokenRow>(run, CancellationToken.None)).Message;
        Assert.StartsWith($"{Path.Combine(run, "tokens.parquet")} is damaged: row 2 has no rank. ", message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_column_that_a_file_lacks_or_has_in_another_type_is_named_with_the_file()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        foreach (var columns in (StoredColumn[][])[CurveRow.Columns[1..],
            [new("coefficient", StoredType.Varchar), .. CurveRow.Columns[1..]]])
        {
            var table = new StoredTable(columns);
            table.Add([.. columns.Select(c => c.Type == StoredType.Varchar ? "no number" : StoredValue.Null)]);
            RunDirectory.Annotate(run, CurveRow.Table, table, new RunAddition());
            var message = Assert.Throws<RunDirectoryException>(() => RunDirectory.ReadRows<CurveRow>(run, CancellationToken.None)).Message;
            Assert.StartsWith($"{Path.Combine(run, "curve.parquet")} is damaged: ", message);
            Assert.DoesNotContain('\n', message);
        }
    }

    [Fact]
    public void Checks_of_earlier_versions_were_made_in_the_real_model()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var table = new StoredTable([.. ValidationRow.Columns.Where(c => c.Name != "model")]);
        table.Add("node", "kept", "gradient", "blocks.0.hook_mlp_out", 1, 2, StoredValue.Null, StoredValue.Null, StoredValue.Null,
            StoredValue.Null, StoredValue.Null, 1f, 2f);
        RunDirectory.Annotate(run, ValidationRow.Table, table, new RunAddition());
        Assert.Equal("real", Assert.Single(RunDirectory.ReadRows<ValidationRow>(run, CancellationToken.None)).Model);
    }

    private static void AreProperties<TRow>(StoredColumn[] columns)
    {
        var properties = typeof(TRow).GetProperties().Where(p => p.GetMethod!.IsStatic is false);
        Assert.Equal(properties.Select(p => (JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name), TypeOf(p.PropertyType))),
            columns.Select(c => (c.Name, c.Type)));
        Assert.All(columns, c => Assert.True(c.Meaning.Length > 0 && !c.Meaning.Contains('|') && !c.Meaning.EndsWith('.'), c.Meaning));
    }

    private static StoredType TypeOf(Type type) => (Nullable.GetUnderlyingType(type) ?? type).Name switch
    {
        "String" => StoredType.Varchar,
        "Int32" => StoredType.Integer,
        "Single" => StoredType.Float,
        var name => Enum.Parse<StoredType>(name),
    };

    private static void ComesBack<TRow>(params TRow[] rows) where TRow : ITableRow<TRow>
    {
        using var directory = new AwkwardDirectory();
        var file = directory["t.parquet"];
        RunDirectory.WriteTable(file, RowTable.Of(rows), force: false);
        Assert.Equal(rows, RowTable.Read<TRow>(StoredTable.Read(file), file));
    }
}
