using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What moving each group of a subgraph did, beside the sum of what the run says of its nodes.</summary>
internal sealed class GroupTable(CircuitRun run)
{
    public bool IsEmpty => run.Groups.Count == 0;

    /// <summary>One prompt's.</summary>
    public Table Of(CircuitPrompt prompt) => Table(Moved(prompt.Tokens.Patch is not null), run.Prompts.Count == 1,
        i => prompt.Result.GroupMetrics[i] - prompt.Result.CleanMetric, i => prompt.Result.GroupActive[i]);

    /// <summary>The mean over the prompts; null where there is one.</summary>
    public Table? Mean() => run.Prompts.Count == 1 ? null
        : Table($"Mean of {run.Prompts.Count} prompts", hasEstimates: true, run.EffectOf, null);

    public JsonArray ToJson() => [.. run.Groups.Select(JsonNode (g, i) => new JsonObject
    {
        ["name"] = g.Name,
        ["nodes"] = new JsonArray([.. g.Listed.Select(n => (JsonNode)n)]),
        ["single"] = g.IsSingle,
        ["summed_effect"] = OrNull(g.Estimate),
        ["effect"] = OrNull(run.EffectOf(i)),
    })];

    public JsonArray ToJson(CircuitPrompt prompt) => [.. run.Groups.Select(JsonNode (g, i) => new JsonObject
    {
        ["name"] = g.Name,
        ["active_size"] = prompt.Result.GroupActive[i],
        ["ablated_metric"] = OrNull(prompt.Result.GroupMetrics[i]),
        ["effect"] = OrNull(prompt.Result.GroupMetrics[i] - prompt.Result.CleanMetric),
    })];

    private Table Table(string title, bool hasEstimates, Func<int, double> effect, Func<int, int>? active)
    {
        hasEstimates &= run.Groups.Any(g => double.IsFinite(g.Estimate));
        string[] columns = ["group", "#nodes", .. hasEstimates ? ["#sum of effects"] : (string[])[], "#effect"];
        var table = Screen.Table(title, columns);
        foreach (var (i, group) in run.Groups.Index())
        {
            var size = group.Nodes.Nodes.Count;
            var nodes = active is null || active(i) == size ? $"{size}" : $"{active(i)} of {size} active";
            table.AddRow([DisplayText.OneLine(group.Name), nodes, .. hasEstimates ? [Number(group.Estimate)] : (string[])[],
                Number(effect(i))]);
        }
        return table;
    }

    private string Moved(bool hasPatch) =>
        run.Options.Coefficient != 0 ? $"Each group alone × {Screen.Number(run.Options.Coefficient)}"
            : hasPatch ? "Each group moved alone to its patch values" : "Each group taken away alone";

    private static string Number(double value) => double.IsFinite(value) ? Screen.Number(value) : "–";

    private static double? OrNull(double value) => double.IsFinite(value) ? value : null;
}
