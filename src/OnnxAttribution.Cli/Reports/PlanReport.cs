using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>graph --plan</c> prints.</summary>
/// <param name="plan">The prompt's, or of many the longest one's.</param>
internal sealed class PlanReport(GraphPlan plan)
{
    /// <summary>Of many prompts; null: it is one.</summary>
    public DatasetPlan? Dataset { get; init; }

    public void Write(TextWriter output, bool asJson)
    {
        if (asJson) Screen.WriteJson(output, Json());
        else Print(output);
    }

    private void Print(TextWriter output)
    {
        var console = Screen.On(output);
        var of = Dataset is null ? "the prompt" : "the longest prompt";
        var sites = Screen.Table($"Rows of {of}, {plan.Tokens:N0} tokens", "site", "#active a position", "known by", "#nodes",
            "#cotangents", "#tangents");
        foreach (var s in plan.Sites)
        {
            sites.AddRow(s.Site, Screen.Number(s.ActivePerPosition), Words(s.Source), $"{s.Nodes:N0}", $"{s.Cotangents:N0}",
                $"{s.Tangents:N0}");
        }
        console.Show(sites, mayDrop: 3);
        var stages = Screen.Table("Operations and time", "stage", "#GFLOP", "#weights read", "#seconds");
        foreach (var s in plan.Stages) stages.AddRow(s.Name, Giga(s.Operations), Screen.Bytes(s.Bytes), Seconds(s.Seconds));
        stages.AddRow("all", Giga(plan.Operations), Screen.Bytes(plan.Stages.Sum(s => s.Bytes)), Seconds(plan.Seconds));
        console.Write(stages);
        var (held, bytes) = Dataset is { } many ? (many.Memory, many.MemoryBytes) : (plan.Memory, plan.MemoryBytes);
        var memory = Screen.Table(Dataset is null ? "Memory" : $"Memory, {Screen.Count(Dataset.Lanes, "prompt")} worked at side by side",
            "what for", "#at most");
        foreach (var m in held) memory.AddRow(m.IsMapped ? $"{m.Name}, mapped files" : m.Name, Screen.Bytes(m.Bytes));
        memory.AddRow("all", Screen.Bytes(bytes));
        console.Write(memory);
        Assumptions(output);
        output.WriteLine($"memory {Screen.Bytes(bytes)}, {Screen.Bytes(plan.LeastMemoryBytes)} at least; this process may have "
            + $"{Screen.Bytes(plan.AvailableMemoryBytes)}");
        output.WriteLine($"time {Seconds(plan.Seconds)} s a graph, after {Seconds(plan.StartSeconds)} s to start, {Giga(plan.Operations)} "
            + $"GFLOP; at most {plan.Edges:N0} edges");
        if (Dataset is { } dataset) Of(dataset, output);
        output.WriteLine("nothing was drawn or written");
    }

    private static void Of(DatasetPlan dataset, TextWriter output)
    {
        output.WriteLine($"dataset  {Text(dataset.Whole)}{(dataset.Failing == 0 ? "" : $"; {Screen.Count(dataset.Failing, "line")} without "
            + "a graph, which --dry-run tells")}");
        if (dataset.Shard != PromptShard.Whole) output.WriteLine($"shard {dataset.Shard.Number}/{dataset.Shard.Of}  {Text(dataset.Share)}");
    }

    private static string Text(PlannedShare share) => $"{Screen.Count(share.Prompts, "prompt")} in {Screen.Count(share.Parts, "part")}, "
        + $"{Duration(share.Seconds)}, {Screen.Bytes(share.FileBytes)} on disk, and {Screen.Bytes(share.SumBytes)} until the mean is there";

    // what was taken to be so
    private void Assumptions(TextWriter output)
    {
        output.WriteLine(plan.SampleTokens > 0
            ? $"assumed: features are as active, and the strongest stand where they do, as in {plan.SampleTokens} of its tokens, "
                + "which were run"
            : "assumed: the features that are kept stand at the metric's position and before it; none of the prompt was run");
        output.WriteLine($"rates, measured now: {plan.ProductsPerSecond / 1e9:f0} GFLOP/s, {plan.BytesPerSecond / 1e9:f0} GB/s; a stage "
            + $"takes {GraphPlan.Experience} times what they give");
        if (plan.NotCounted.Count > 0) output.WriteLine($"not counted: {string.Join(", ", plan.NotCounted)}");
    }

    private JsonObject Json()
    {
        var json = new JsonObject
        {
            ["tokens"] = plan.Tokens,
            ["sample_tokens"] = plan.SampleTokens,
            ["operations"] = plan.Operations,
            ["seconds"] = plan.Seconds,
            ["start_seconds"] = plan.StartSeconds,
            ["memory_bytes"] = Dataset?.MemoryBytes ?? plan.MemoryBytes,
            ["least_memory_bytes"] = plan.LeastMemoryBytes,
            ["available_memory_bytes"] = plan.AvailableMemoryBytes,
            ["edges"] = plan.Edges,
            ["gemm_flops_per_second"] = plan.ProductsPerSecond,
            ["memory_bytes_per_second"] = plan.BytesPerSecond,
            ["experience"] = GraphPlan.Experience,
            ["not_counted"] = new JsonArray([.. plan.NotCounted.Select(n => JsonValue.Create(n))]),
            ["stages"] = new JsonArray([.. plan.Stages.Select(s => new JsonObject
            {
                ["stage"] = s.Name, ["operations"] = s.Operations, ["bytes"] = s.Bytes, ["seconds"] = s.Seconds,
            })]),
            ["memory"] = new JsonArray([.. (Dataset?.Memory ?? plan.Memory).Select(m => new JsonObject
            {
                ["for"] = m.Name, ["bytes"] = m.Bytes, ["mapped"] = m.IsMapped,
            })]),
            ["sites"] = new JsonArray([.. plan.Sites.Select(s => new JsonObject
            {
                ["site"] = s.Site, ["active_per_position"] = s.ActivePerPosition, ["known_by"] = Words(s.Source), ["nodes"] = s.Nodes,
                ["cotangents"] = s.Cotangents, ["tangents"] = s.Tangents,
            })]),
        };
        if (Dataset is { } dataset) Add(dataset, json);
        return json;
    }

    private static void Add(DatasetPlan dataset, JsonObject json)
    {
        json["dataset"] = Json(dataset.Whole);
        json["dataset"]!["lanes"] = dataset.Lanes;
        json["failing"] = dataset.Failing;
        json["prompt_tokens"] = dataset.Tokens;
        json["shard"] = Json(dataset.Share);
        json["shard"]!["number"] = dataset.Shard.Number;
        json["shard"]!["of"] = dataset.Shard.Of;
    }

    private static JsonObject Json(PlannedShare share) => new()
    {
        ["prompts"] = share.Prompts,
        ["parts"] = share.Parts,
        ["seconds"] = share.Seconds,
        ["file_bytes"] = share.FileBytes,
        ["sum_bytes"] = share.SumBytes,
    };

    private static string Words(FeatureSource source) => source switch
    {
        FeatureSource.K => "k",
        FeatureSource.FiringRates => "firing rates",
        FeatureSource.Sample => "sample",
        FeatureSource.None => "no dictionary",
        _ => "unknown",
    };

    private static string Giga(long operations) => (operations / 1e9).ToString("N2", CultureInfo.InvariantCulture);

    private static string Seconds(double seconds) => seconds.ToString("N2", CultureInfo.InvariantCulture);

    private static string Duration(double seconds) => seconds switch
    {
        < 120 => $"{Seconds(seconds)} s",
        < 7200 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 60:N1} minutes"),
        < 172_800 => string.Create(CultureInfo.InvariantCulture, $"{seconds / 3600:N1} hours"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{seconds / 86_400:N1} days"),
    };
}
