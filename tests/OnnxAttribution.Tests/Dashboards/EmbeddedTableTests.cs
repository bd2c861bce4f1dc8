using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>The table that the embedded model ships with.</summary>
public class EmbeddedTableTests
{
    [Fact]
    public void The_embedded_model_ships_with_the_dashboards_of_all_its_features_and_stays_small()
    {
        var table = FeatureTable.Open(Repository.TinyModel)!;
        Assert.True(table.IsOf(LoadedModel.HashOf(Repository.TinyModel)), "models/tiny was exported anew: "
            + "'onnx-attribution features --model models/tiny --text train.txt.gz --tokens 2000000 --force' makes its table again");
        Assert.InRange(table.Tokens, 1_000_000, long.MaxValue);
        var rows = table.ReadAll().Select(f => (f.Site, f.Feature, f.IsDead, f.Contexts.Count)).ToList();
        Assert.Equal(13 * 1024, rows.Select(r => (r.Site, r.Feature)).Distinct().Count());
        Assert.All(rows, r => Assert.Equal(r.IsDead, r.Count == 0));
        Assert.InRange(Directory.EnumerateFiles(Repository.TinyModel, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length), 1,
            25_000_000);
    }

    [Fact]
    public void Two_hundred_features_are_read_without_making_rows_of_all()
    {
        var random = new Random(0);
        var sites = FeatureTable.Open(Repository.TinyModel)!.Facts["sites"].Split(',');
        HashSet<(string, int)> wanted = [];
        while (wanted.Count < 200) wanted.Add((sites[random.Next(sites.Length)], random.Next(1024)));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var read = FeatureTable.Open(Repository.TinyModel)!.Read(wanted);
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(wanted.Order(), read.Keys.Order());
        // 90 kB a row; all 13,312 would be above a gigabyte
        Assert.InRange(bytes, 1, 100_000_000);
    }
}
