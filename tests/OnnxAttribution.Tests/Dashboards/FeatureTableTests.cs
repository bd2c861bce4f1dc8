using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Dashboards;

public sealed class FeatureTableTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private const string A = "blocks.0.hook_resid_pre", B = "blocks.1.hook_mlp_out";

    [Fact]
    public void What_was_written_is_read_again()
    {
        FeatureDashboard[] rows = [DashboardSamples.Live(A, 0), DashboardSamples.Dead(A, 1), DashboardSamples.Live(B, 0)];
        var table = FeatureTable.Open(DashboardSamples.Bundle(_directory, rows))!;
        var read = table.ReadAll().ToList();
        Assert.Equal(3, read.Count);
        foreach (var (expected, actual) in rows.Zip(read)) DashboardSamples.Equal(expected, actual);
        Assert.Equal([false, true, false], read.Select(f => f.IsDead));
        Assert.Equal([(B, 0)], table.ReadAll([B]).Select(f => (f.Site, f.Feature)));
    }

    [Fact]
    public void Only_the_rows_asked_for_are_read_and_what_is_not_there_is_left_out()
    {
        var table = FeatureTable.Open(DashboardSamples.Bundle(_directory,
            Enumerable.Range(0, 5000).SelectMany(i => (FeatureDashboard[])[DashboardSamples.Live(A, i), DashboardSamples.Dead(B, i)])))!;
        var read = table.Read([(A, 4999), (B, 7), (B, 7), (A, 5000), ("blocks.9.hook_mlp_out", 0), (A, 3)]);
        Assert.Equal([(A, 3), (A, 4999), (B, 7)], read.Keys.Order());
        DashboardSamples.Equal(DashboardSamples.Live(A, 4999), read[(A, 4999)]);
        Assert.Empty(table.Read([]));
    }

    [Fact]
    public void The_file_is_plain_nested_Parquet_for_other_programs()
    {
        DashboardSamples.Bundle(_directory, [DashboardSamples.Live(A, 0)]);
        var table = StoredTable.Read(_directory[FeatureTable.FileName]);
        Assert.Equal(["site", "layer", "kind", "feature", "dead", "firing_rate", "mean_activation", "max_activation", "histogram",
            "contexts", "promoted", "suppressed", "nearest"], table.Columns.Select(c => c.Name));
        Assert.Equal("[100, 0, 25]", table.Values<string?>("histogram")[0]);      // a list, not a text of JSON
        Assert.StartsWith("[{'token': a, 'logit': 1.25}", table.Values<string?>("promoted")[0]);
    }

    [Fact]
    public void It_knows_the_bundle_and_the_text_it_was_made_of()
    {
        var table = FeatureTable.Open(DashboardSamples.Bundle(_directory, []))!;
        Assert.True(table.IsOf(DashboardSamples.Hash));
        Assert.False(table.IsOf("another"));
        Assert.Equal(("a.txt", 1000L, 3L), (table.Text, table.Tokens, table.Documents));
    }

    [Fact]
    public void A_bundle_without_one_has_none_and_a_damaged_one_is_told()
    {
        Assert.Null(FeatureTable.Open(_directory.Path));
        var file = _directory[FeatureTable.FileName];
        DashboardSamples.Bundle(_directory, Enumerable.Range(0, 100).Select(i => DashboardSamples.Live(A, i)));
        var whole = File.ReadAllBytes(file);
        File.WriteAllBytes(file, whole[..(whole.Length / 2)]);
        Damaged(Assert.Throws<RunDirectoryException>(() => FeatureTable.Open(_directory.Path)));
        File.WriteAllText(file, "not Parquet at all");
        Damaged(Assert.Throws<RunDirectoryException>(() => FeatureTable.Open(_directory.Path)));
        for (var i = 10; i < whole.Length / 2; i++) whole[i] = 0xFF;     // begins and ends as it should
        File.WriteAllBytes(file, whole);
        Damaged(Assert.Throws<RunDirectoryException>(() => FeatureTable.Open(_directory.Path)!.ReadAll().ToList()));
        RunDirectory.WriteTable(file, new StoredTable(new StoredColumn("x", StoredType.Integer)), force: true);
        Damaged(Assert.Throws<RunDirectoryException>(() => FeatureTable.Open(_directory.Path)));
    }

    private static void Damaged(RunDirectoryException e)
    {
        Assert.Contains($"{FeatureTable.FileName} is damaged", e.Message);
        Assert.Contains("onnx-attribution features --model", FailureLine.Of(e, "features"));
        Assert.DoesNotContain('\n', e.Message);
    }
}
