using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>The features that are active on a prompt, and what differs from another, against PyTorch in float64: lengths of what the
/// dictionary really adds. Relative 2e-5 of the largest at the site.</summary>
public sealed class PromptFeatureGoldenTests : IDisposable
{
    private const double Tolerance = 2e-5;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("random2-kinds-active"), InlineData("llama2-active"), InlineData("tiny-active")]
    public void Activations_lengths_shares_and_changes_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var model = golden.OpenModel(_directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Repository.TinyModel : null);
        var (prompt, other) = ((string)golden.Facts["prompt"]!, (string)golden.Facts["patch_prompt"]!);
        var alone = PromptFeatures.Find(model, new(prompt, PrependBos: true));
        var both = PromptFeatures.Find(model, new(prompt, other, PrependBos: true));
        Assert.Equal(golden.Tokens.Select(model.Tokenizer.TokenText), alone.Tokens);
        foreach (var site in golden.Sites)
        {
            var expected = Rows(golden, $"active/{site}", 5);
            var against = Rows(golden, $"against/{site}", 5).ToDictionary(r => (r[0], r[1]), r => r[2]);
            var actual = alone.Rows.Where(r => r.Site == site).ToDictionary(r => ((double)r.Position, (double)r.Feature));
            Assert.Equal(expected.Select(r => (r[0], r[1])).ToHashSet(), actual.Keys.ToHashSet());
            double[] largest = [.. Enumerable.Range(0, 5).Select(c => expected.Max(r => Math.Abs(r[c])))];
            foreach (var row in expected)
            {
                var found = actual[(row[0], row[1])];
                Close(row[2], found.Activation, largest[2], site);
                Close(row[3], found.Norm, largest[3], site);
                Close(row[4], found.Share, largest[4], site);
                Assert.Equal((float.NaN, float.NaN, null), (found.AgainstActivation, found.ChangeNorm, found.AgainstToken));
            }
            var compared = both.Rows.Where(r => r.Site == site).ToDictionary(r => ((double)r.Position, (double)r.Feature));
            var changes = Rows(golden, $"change/{site}", 3);
            Assert.Equal(changes.Select(r => (r[0], r[1])).ToHashSet(), compared.Keys.ToHashSet());
            foreach (var row in changes)
            {
                var found = compared[(row[0], row[1])];
                Close(row[2], found.ChangeNorm, largest[3], site);
                Close(against.GetValueOrDefault((row[0], row[1])), found.AgainstActivation, largest[2], site);
                Assert.Equal(actual.GetValueOrDefault((row[0], row[1]))?.Norm ?? 0, found.Norm);
            }
        }
    }

    [Fact]
    public void Rows_stand_by_site_and_position_and_what_differs_most_first_and_come_back_from_a_file()
    {
        using var golden = GoldenCase.Open("random2-kinds-active");
        using var model = golden.OpenModel(_directory);
        var (prompt, other) = ((string)golden.Facts["prompt"]!, (string)golden.Facts["patch_prompt"]!);
        foreach (var found in (PromptFeatures[])[PromptFeatures.Find(model, new(prompt)), PromptFeatures.Find(model, new(prompt, other))])
        {
            var rank = golden.Sites.Index().ToDictionary(s => s.Item, s => s.Index);
            float Size(ActiveFeature r) => Math.Abs(found.AgainstTokens is null ? r.Norm : r.ChangeNorm);
            Assert.Equal(found.Rows.OrderBy(r => rank[r.Site]).ThenBy(r => r.Position).ThenByDescending(Size).ThenBy(r => r.Feature),
                found.Rows);
            found.Write(_directory["active.parquet"], force: true);
            var table = StoredTable.Read(_directory["active.parquet"], default);
            Assert.Equal(found.Rows, RowTable.Read<ActiveFeature>(table, "active.parquet"));
        }
    }

    private static IReadOnlyList<double[]> Rows(GoldenCase golden, string name, int width) => [.. golden[name].Chunk(width)];

    private static void Close(double expected, double actual, double largest, string where) =>
        Assert.True(Math.Abs(expected - actual) <= Tolerance * (1e-6 + largest), $"{where}: {expected} and not {actual}");
}
