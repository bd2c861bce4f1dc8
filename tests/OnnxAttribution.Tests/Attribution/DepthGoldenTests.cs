using OnnxAttribution.Attribution;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>Effects by depth against PyTorch in float64: really moved, K blocks run, then the linear step
/// (tests/references/goldens_depth.py).</summary>
public class DepthGoldenTests
{
    private const double Tolerance = 1e-4;

    public static TheoryData<string> Cases => [.. GoldenCase.NamesWith("depths")];

    [Theory, MemberData(nameof(Cases))]
    public void Effects_by_depth_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        var isTiny = (string)golden.Facts["model"]! == "tiny";
        if (isTiny) golden.RequireWeights(Repository.TinyModel);
        using var model = golden.OpenModel(directory, isTiny ? Repository.TinyModel : null);
        foreach (var (depth, metrics) in golden.Facts["depths"]!.AsObject())
        {
            foreach (var metric in metrics!.AsArray().Select(m => (string)m!))
            {
                var options = GoldenTests.OptionsOf(golden, "atp", metric).KeepingAll() with { ExactDepth = int.Parse(depth) };
                var graph = GraphFinder.Find(model, golden.Tokens, golden.PatchTokens, options);
                foreach (var site in golden.Sites) GoldenTests.CompareNodes(golden, graph, site, ($"depth-{depth}", metric));
            }
        }
    }

    [Fact]
    public void There_are_cases_of_every_kind_of_model()
    {
        var models = Cases.Select(c => GoldenCase.Open((string)c.Data).Facts["model"]!.ToString()).Distinct().Order();
        Assert.Equal(["gemma2", "gemma3", "gpt-neo", "llama2", "neox2", "olmo2", "opt", "phi", "qwen3", "random2", "random2-kinds",
            "random2-sites", "tiny"], models);
    }
}
