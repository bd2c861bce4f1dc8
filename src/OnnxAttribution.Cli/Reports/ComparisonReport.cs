using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Comparison;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>compare</c> prints.</summary>
internal sealed class ComparisonReport(RunComparison comparison, int shown)
{
    public void Print(TextWriter output, string? place)
    {
        var console = Screen.On(output);
        output.WriteLine($"A        {comparison.A.Run}: {Prompt(comparison.A)}");
        output.WriteLine($"B        {comparison.B.Run}: {Prompt(comparison.B)}");
        console.Write(Summary());
        if (comparison.Nodes.Count > 0) console.Show(Nodes(), mayDrop: 0);
        if (comparison.Edges.Count > 0) console.Show(Edges(), mayDrop: 0);
        foreach (var note in comparison.Notes) output.WriteLine($"note: {DisplayText.OneLine(note)}");
        if (place is not null) output.WriteLine($"wrote {place}: comparison.json, compared_nodes.parquet, compared_edges.parquet");
    }

    private Table Summary()
    {
        var table = Screen.Table("What both graphs have", "", "#in both", "#opposite signs", "#only in A", "#only in B", "#Spearman");
        Row(table, "nodes", comparison.NodeCounts);
        Row(table, "edges", comparison.EdgeCounts);
        return table;
    }

    private static void Row(Table table, string what, ComparedCounts c) => table.AddRow(what, $"{c.Both:N0}", $"{c.Opposite:N0}",
        $"{c.OnlyA:N0}", $"{c.OnlyB:N0}", double.IsNaN(c.Spearman) ? "–" : Screen.Number(c.Spearman));

    private Table Nodes()
    {
        var table = Screen.Table("Strongest nodes", "node", "in", "#effect in A", "#effect in B");
        foreach (var n in comparison.Nodes.Take(shown))
        {
            table.AddRow(Name(new(n.Site, n.Position, n.Feature)) + Token(n), In(n.Presence), Figure(n.EffectA), Figure(n.EffectB));
        }
        return table;
    }

    private Table Edges()
    {
        var table = Screen.Table("Strongest edges", "upstream", "downstream", "in", "#effect in A", "#effect in B");
        foreach (var e in comparison.Edges.Take(shown))
        {
            table.AddRow(Name(e.Up), Name(e.Down), In(e.Presence), Figure(e.EffectA), Figure(e.EffectB));
        }
        return table;
    }

    private static string Name(ComparedEnd end) => end.Site == RunNames.MetricSite ? "metric"
        : FeatureName.Of(end.Site, end.Feature, end.Position);

    private static string Token(ComparedNode node) => (node.TokenA, node.TokenB) switch
    {
        ({ } a, { } b) when a != b => $" {DisplayText.Quoted(a)} / {DisplayText.Quoted(b)}",
        (null, null) => "",
        var (a, b) => $" {DisplayText.Quoted(a ?? b!)}",
    };

    private static string In(Presence presence) => presence switch
    {
        Presence.Both => "both",
        Presence.Opposite => "both, opposite",
        Presence.OnlyA => "A",
        _ => "B",
    };

    private static string Figure(float effect) => float.IsNaN(effect) ? "–" : Screen.Number(effect);

    private static string Prompt(ComparedSide side) => side.Stored.Record switch
    {
        PromptRunRecord { Prompt: { } prompt } record => DisplayText.Quoted(prompt)
            + (record.Target is { } target ? $" → {DisplayText.Quoted(target)}" : "")
            + (record.CleanMetric is { } clean ? $", {record.Metric} {Screen.Number(clean)}" : ""),
        MergedRunRecord { Prompts: { } prompts } => $"mean of {Screen.Count(prompts, "prompt")}",
        _ => "mean of many prompts",
    };
}
