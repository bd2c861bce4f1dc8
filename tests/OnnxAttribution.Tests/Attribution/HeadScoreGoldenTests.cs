using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Scores split into pairs against PyTorch in float64, which runs each part through the model's own code (Goldens/README.md);
/// 1e-5 of the largest pair, as activations.</summary>
public class HeadScoreGoldenTests
{
    private const double Tolerance = 1e-5;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("scores")];

    [Theory, MemberData(nameof(Cases))]
    public void Pairs_equal_those_of_pytorch_and_add_up_to_the_score(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        var bundle = Bundle(golden, directory);
        foreach (var entry in golden.Facts["scores"]!.AsArray())
        {
            int[] at = [.. entry!.AsArray().Select(n => (int)n!)];
            var (head, key) = (new HeadName(at[0], at[1]), string.Join('.', at));
            using var model = LoadedModel.Open(bundle, [ScoreFinder.SiteOf(head)], new RunContext(threads: 1));
            var score = new ScoreFinder(model, golden.Tokens, head).Find(at[2], at[3]);
            Assert.Equal([.. golden[$"{key}/query_features"].Select(f => (int?)f), CausalNode.Error, null],
                score.QueryParts.Select(p => p.Feature));
            Assert.Equal([.. golden[$"{key}/key_features"].Select(f => (int?)f), CausalNode.Error, null],
                score.KeyParts.Select(p => p.Feature));
            GoldenTests.Close(golden[$"{key}/pairs"], score.Pairs, Tolerance, $"{key} pairs");
            var largest = golden[$"{key}/pairs"].Max(Math.Abs);
            Assert.InRange(Math.Abs(score.Score - golden[$"{key}/score"][0]), 0, Tolerance * largest);
            Assert.InRange(Math.Abs(score.Pairs.Sum(p => (double)p) - score.Score), 0, Tolerance * largest);
            Assert.InRange(Math.Abs(score.Pattern - golden[$"{key}/pattern"][0]), 0, Tolerance);
        }
    }

    [Fact]
    public void Without_a_key_the_one_is_taken_that_the_query_attends_to_most()
    {
        using var golden = GoldenCase.Open("random2-scores");
        using var directory = new TemporaryDirectory();
        using var model = LoadedModel.Open(Bundle(golden, directory), ["blocks.1.hook_resid_pre"], new RunContext(threads: 1));
        var finder = new ScoreFinder(model, golden.Tokens, new HeadName(1, 2));
        var most = Enumerable.Range(0, 4).Select(k => finder.Find(3, k)).MaxBy(s => s.Pattern)!;
        Assert.Equal(most.Key, finder.Find(3, null).Key);
    }

    private static string Bundle(GoldenCase golden, TemporaryDirectory at)
    {
        var checkpoint = Path.Combine(GoldenCase.Root, "models", (string)golden.Facts["model"]!);
        BundleWriter.Write(new ExportOptions(checkpoint, [Path.Combine(checkpoint, "dictionaries")], at["bundle"]));
        return at["bundle"];
    }
}
