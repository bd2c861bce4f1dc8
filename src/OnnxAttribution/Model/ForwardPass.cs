using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>The model from tokens to chosen sites and no further than the last of them, prompts side by side.
/// Owns its session; who makes one disposes it.</summary>
internal sealed class ForwardPass : IDisposable
{
    private readonly OnnxGraph _graph;
    private readonly Lazy<GraphRunner> _runner;

    public ForwardPass(LoadedModel model, IEnumerable<Site> sites)
    {
        var graph = model.Bundle.WithoutInterventions(batch: null);
        var g = new GraphBuilder("rows/");
        _graph = new OnnxGraph([graph[ModelBundle.Tokens]], [.. sites.Select(s => g.Identity(graph[s.Name], RowsOf(s)))]);
        _runner = new(() => new GraphRunner(_graph, model.Context, model.Directory));
    }

    /// <summary>Bytes that one prompt of so many tokens takes while the graph runs.</summary>
    public long BytesPerPrompt(int length) => FlopCount.BytesPer(_graph, "batch", Sizes(length));

    /// <summary>Floating-point operations of one prompt of so many tokens.</summary>
    public long Operations(int length) => FlopCount.Of(_graph, Sizes(length));

    /// <param name="ids">[prompts, T], padded on the right where prompts differ in length, which a causal model does not see.</param>
    /// <returns>The sites' activations (<see cref="Rows"/>).</returns>
    public RunResult Run(long[] ids, int prompts)
    {
        using var feed = new Feed().AddTokens(ids, prompts);
        return _runner.Value.Run(feed.Values, _runner.Value.Outputs);
    }

    /// <summary>float32 [prompts, T, d] of a site.</summary>
    public static ReadOnlySpan<float> Rows(RunResult result, Site site) => result.Floats(RowsOf(site));

    public void Dispose()
    {
        if (_runner.IsValueCreated) _runner.Value.Dispose();
    }

    private static Dictionary<string, long> Sizes(int length) => new() { ["position"] = length, ["batch"] = 1 };

    private static string RowsOf(Site site) => "rows/" + site.Name;
}
