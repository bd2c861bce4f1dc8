using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>Refuses a graph for which the machine's memory will not do, before anything is run.</summary>
internal static class MemoryNeed
{
    /// <param name="options">As they are asked for.</param>
    /// <param name="bytes">That the process may have.</param>
    /// <exception cref="AttributionException">The prompt has no such position, or in the smallest pieces the graph needs more; the message
    /// says what for.</exception>
    /// <exception cref="Runtime.MemoryBudgetException">Not even one row fits the budget of a run.</exception>
    public static void Require(LoadedModel model, int positions, GraphOptions options, long bytes)
    {
        if (options.Metric.Position is { } position) model.RequirePosition(position, positions);
        options = ReplacedOptions.Of(model, options);
        // what nothing is known of counts as nothing: the least that it can be
        var least = new GraphCost(model, options, NodeSample.Of(model, null, options, new Dictionary<string, double>())).Least(positions);
        if (least.Sum(m => m.Bytes) is var needed && needed <= bytes) return;
        Setting[] about = least[0].Name switch
        {
            "edges found" or "nodes" => [Setting.TopNodes, Setting.TopErrors, Setting.Sites],
            _ => [Setting.Prompt, Setting.Sites],
        };
        throw new AttributionException($"a graph of {positions:N0} tokens at {model.Selected.Count} sites needs {Text(needed)} of memory "
            + $"at least, {Text(least[0].Bytes)} of it for {least[0].Name}, and there are {Text(bytes)}; shorten the prompt, or ask for "
            + "fewer sites or nodes")
        {
            Settings = about
        };
    }

    private static string Text(long bytes) => bytes >= 1L << 30 ? $"{bytes / (double)(1L << 30):0.0} GiB" : $"{bytes >> 20} MiB";
}
