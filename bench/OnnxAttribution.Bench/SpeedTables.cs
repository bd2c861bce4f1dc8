using System.Text;

namespace OnnxAttribution.Bench;

/// <summary>Records as tables of Markdown: what the pages on speed say is made here, and nowhere typed.</summary>
internal static class SpeedTables
{
    public const double GiB = 1L << 30;

    /// <summary>Makes a table of the records in some files.</summary>
    public delegate string Maker(IReadOnlyList<string> files);

    /// <summary>What can stand in a page, by its name in a marker; each is made from the files that the marker names.</summary>
    public static IReadOnlyDictionary<string, Maker> Kinds { get; } = new Dictionary<string, Maker>
    {
        ["setting"] = files => SettingOf(RecordFile.Read<GraphRecord>(files[0])),
        ["graph"] = files => Graph(RecordFile.Read<GraphRecord>(files[0])),
        ["ways"] = files => Ways(RecordFile.Read<GraphRecord>(files[0])),
        ["stages"] = files => Stages(RecordFile.Read<GraphRecord>(files[0])),
        ["peers"] = files => Peers(RecordFile.Read<GraphRecord>(files[0])),
        ["ablation"] = files => Ablation(RecordFile.Read<AblationRecord>(files[0])),
        ["lengths"] = files => Lengths([.. files.Select(RecordFile.Read<GraphRecord>)]),
        ["screens"] = files => Screens([.. files.Select(RecordFile.Read<GraphRecord>)]),
        ["batch"] = files => Batch(RecordFile.Read<BatchRecord>(files[0])),
        ["summary"] = SpeedSummary.Of,
        ["shapes"] = files => Shapes([.. files.Select(RecordFile.Read<GraphRecord>)]),
        ["plans"] = files => Plans([.. files.Select(RecordFile.Read<GraphRecord>)]),
        ["queries"] = files => Queries(RecordFile.Read<DatasetSpeedRecord>(files[0])),
    };

    private static string SettingOf(GraphRecord r)
    {
        var (s, m) = (r.Setting, r.Setting.Model);
        var load = s.LoadBefore is { } l ? $", load average {l:f1} before" : "";
        return $"""
            {s.Machine.Cpu}, {s.Machine.Cores} cores, {s.Threads} threads, {s.Device}, float32; ONNX Runtime {s.OnnxRuntime};
            {s.Date}{load}.
            A random {m.Shape} ({m.Layers} blocks, width {m.Width}, {m.Vocabulary:N0} tokens), dictionaries of {m.Features:N0} features
            at {m.Sites} sites, {r.ActiveFeatures:f0} active per position and site, {s.Tokens} tokens.
            The {r.NodesPerSite} strongest features per site and all error nodes are kept: {r.KeptNodes:N0} nodes, {r.Edges:N0} edges.
            Times are medians of {r.Seconds.Count} graphs of different prompts.

            """.ReplaceLineEndings("\n");
    }

    private static string Graph(GraphRecord r) => Table(["", ""],
        ["matrix-multiply rate of the machine, as ONNX Runtime reaches it", Gflops(r)],
        ["operations needed; their floor", $"{r.Operations / 1e9:f1} GFLOP; {r.Floor * 1000:f0} ms"],
        ["measured, model loaded", $"**{r.Median * 1000:f0} ms** ({r.Seconds.Min() * 1000:f0} to {r.Seconds.Max() * 1000:f0})"],
        ["ratio to the floor", $"{r.Ratio:f1}"],
        ["runtime calls", $"{r.RuntimeCalls}"],
        ["peak memory", Memory(r.PeakMemoryBytes)],
        ["the first graph, which makes the sessions", $"{r.FirstSeconds:f1} s"],
        ["process start to Parquet on disk, encoders not packed, 1,000 strongest edges", $"{r.ProcessSeconds:f1} s"],
        [$"{r.Store.Edges:N0} edges sorted and written",
            $"{r.Store.WriteSeconds:f1} s, {Memory(r.Store.MoreMemoryBytes)} beside the edges"]);

    // what costs more than the jacobian's graph, each beside that graph in the same run
    private static string Ways(GraphRecord r)
    {
        var rows = new List<string[]> { Way("`graph --refine off`", r.Operations, r.Median, 1) };
        if (r.Refined is { } refined)
        {
            rows.Add(Way($"`--refine {refined.Budget}`: {refined.Moved:N0} nodes one block deep, {refined.Exact:N0} all the way",
                refined.Operations, refined.Median, refined.Median / r.Median));
        }
        if (r.Exact is { } exact)
        {
            rows.Add(Way($"`--edges exact`, peak {Memory(exact.PeakMemoryBytes)}", exact.Operations, exact.Median,
                exact.Median / r.Median));
        }
        if (r.Heads is { } heads)
        {
            rows.Add(Way($"`--heads`, of the {HeadsTiming.Edges:N0} strongest edges", null, heads.Split, heads.Split / heads.Plain));
        }
        return Table(["graphs of the same prompts", "operations", "median", "times as long"], [.. rows]);
    }

    private static string[] Way(string what, long? operations, double seconds, double times) =>
        [what, operations is { } o ? $"{o / 1e9:f1} GFLOP" : "–", $"{seconds * 1000:f0} ms", $"{times:f2}"];

    private static string Stages(GraphRecord r) => Table(["stage", "median run"],
        [.. r.Stages.Append(new("all", r.Stages.Values.Sum())).Select(Row)]);

    private static string[] Row(KeyValuePair<string, double> stage) => [stage.Key.Replace('_', ' '), $"{stage.Value * 1000:f0} ms"];

    private static string Peers(GraphRecord r) => r.Peers is null ? "Not timed: PyTorch was not there.\n"
        : Table(["all edges", "time", $"ours, cotangents and edges, {r.EdgeSeconds:f2} s"],
            [.. r.Peers.Select(p => Row(p, p.Seconds / r.EdgeSeconds))]);

    private static string[] Row(PeerTime peer, double times) =>
        [$"{peer.Program}: {peer.Name}{(peer.Extrapolated ? " (extrapolated)" : "")}", $"{peer.Seconds:f2} s",
            times >= 1 ? $"{times:f1} times as fast" : $"{times:f1} times: slower"];

    private static string Ablation(AblationRecord r)
    {
        var (v, slow) = (r.Validate, (r.SlowSeconds.Count, Median: $"{r.SlowMedian * 1000:f0} ms"));
        string Times(AblationTiming t) => $"{r.SlowAll / t.Median:f1} times as long";
        string[] Row(string what, Func<AblationTiming, string> value) => [what, value(r.Edges), value(r.WithLogits)];
        return Table([$"{r.Ablated:N0} ablations, {r.EdgesSeen:N0} edges", "edges", "with metric and next token"],
            Row("operations; their floor", t => $"{t.Operations / 1e12:f1} TFLOP; {r.Floor(t):f1} s"),
            Row("measured", t => $"{t.Median:f1} s"),
            Row("ratio to the floor", t => $"{t.Median / r.Floor(t):f2}"),
            Row($"whole forward passes, one feature at a time, {r.SlowAll:f0} s (extrapolated from {slow.Count}, {slow.Median} each)",
                Times),
            Row("peak memory", t => Memory(t.PeakMemoryBytes)),
            [$"`validate`, {v.Nodes:N0} nodes and {v.Edges:N0} edges at {v.Sites} sites", $"{v.Seconds:f1} s", ""]);
    }

    private static string Shapes(IReadOnlyList<GraphRecord> records) =>
        Table(["shape", "operations", "measured", "ratio to the floor", "peak memory", "process start to Parquet"], [.. records.Select(r =>
        {
            var (m, load) = (r.Setting.Model, r.Setting.LoadBefore is { } l and >= 1 ? $", load {l:f0}" : "");
            var what = $"{m.Shape}, {m.Features:N0} features at {m.Sites} sites{(r.Packed ? "" : ", weights not packed")}";
            return (string[])[what, $"{r.Operations / 1e9:f1} GFLOP", $"{r.Median:f2} s ({Gflops(r)}{load})", $"{r.Ratio:f1}",
                Memory(r.PeakMemoryBytes), $"{r.ProcessSeconds:f1} s"];
        })]);

    // of those that have a plan: earlier versions had none
    private static string Plans(IReadOnlyList<GraphRecord> records) => Table(["tokens", "operations, planned", "run", "time, planned",
        "measured", "memory, planned", "measured"], [.. records.Where(r => r.Plan is not null).Select(r => (string[])[
            $"{r.Setting.Tokens}", $"{r.Plan!.Operations / 1e9:f1} GFLOP", $"{r.Operations / 1e9:f1} GFLOP", $"{r.Plan.Seconds:f2} s",
            $"{r.Median:f2} s", Memory(r.Plan.MemoryBytes), Memory(r.PeakMemoryBytes)])]);

    private static string Queries(DatasetSpeedRecord r) => Table(
        [$"{r.Prompts:N0} prompts, {(long)r.Prompts * r.EdgesPerPrompt:N0} edges, {r.FileBytes / GiB:f1} GiB", "median", "the slowest of "
            + $"{r.QuerySeconds.Values.First().Count}"],
        [
            .. r.QuerySeconds.Select(q => (string[])[q.Key.Replace('_', ' '), $"{Figures.Median(q.Value):f2} s", $"{q.Value.Max():f2} s"]),
            .. r.Cluster is { } c ? [["all prompts in 2 to 20 clusters: `cluster`, once", $"{c.Seconds:f0} s",
                $"{Memory(c.PeakMemoryBytes)}, {c.ReadSeconds:f0} s of it reading"]] : (string[][])[],
        ]);

    // how graphs grow with the prompt
    private static string Lengths(IReadOnlyList<GraphRecord> records) =>
        Table(["prompt", "active per position", "kept nodes", "operations; their floor", "measured", "ratio", "passes", "dictionaries",
            "edges", "peak memory"], [.. records.Select(r =>
        {
            string Stage(params string[] names) => $"{names.Sum(n => r.Stages.GetValueOrDefault(n)):f1} s";
            return (string[])[$"{r.Setting.Model.Shape}, {r.Setting.Tokens:N0} tokens", $"{r.ActiveFeatures:f0}", $"{r.KeptNodes:N0}",
                $"{r.Operations / 1e9:N0} GFLOP; {r.Floor:f1} s", $"{r.Median:f1} s", $"{r.Ratio:f1}", Stage("passes"),
                Stage("dictionaries"), Stage("cotangents", "edges"), Memory(r.PeakMemoryBytes)];
        })]);

    // the same shape without and with them
    private static string Screens(IReadOnlyList<GraphRecord> records)
    {
        return Table(["", .. records.Select(r => r.IsScreened ? "`export --screen`" : "without")],
            Row("measured, model loaded", r => $"{r.Median * 1000:f0} ms ({r.Seconds.Min() * 1000:f0} to {r.Seconds.Max() * 1000:f0})"),
            Row("ratio to the floor", r => $"{r.Ratio:f2}"),
            Row("of it dictionaries", r => $"{r.Stages["dictionaries"] * 1000:f0} ms"),
            Row("of it cotangents", r => $"{r.Stages["cotangents"] * 1000:f0} ms"),
            Row("the first graph, which makes the sessions", r => $"{r.FirstSeconds:f1} s"),
            Row("peak memory", r => Memory(r.PeakMemoryBytes)),
            Row("process start to Parquet", r => $"{r.ProcessSeconds:f1} s"));
        string[] Row(string what, Func<GraphRecord, string> value) => [what, .. records.Select(value)];
    }

    private static string Batch(BatchRecord r) => Table(["", ""],
        ["a prompt's operations; their floor", $"{r.Operations / 1e9:f1} GFLOP; {r.Floor * 1000:f0} ms at "
            + $"{r.GemmFlopsPerSecond / 1e9:f0} GFLOP/s"],
        [$"a prompt of {r.Prompts}", $"**{r.Median * 1000:f0} ms** ({r.Seconds.Min() * 1000:f0} to {r.Seconds.Max() * 1000:f0})"],
        ["ratio to the floor", $"{r.Ratio:f2}"],
        ["within a lane: " + string.Join(", ", r.Stages.Keys.Take(r.Stages.Count - 1)),
            string.Join(", ", r.Stages.Values.Take(r.Stages.Count - 1).Select(s => $"{s * 1000:f0}")) + " ms"],
        ["peak memory", Memory(r.PeakMemoryBytes)]);

    private static string Gflops(GraphRecord r) => $"{r.GemmFlopsPerSecond / 1e9:f0} GFLOP/s";

    public static string Memory(long bytes) => $"{bytes / GiB:f1} GiB";

    /// <summary>Milliseconds below a second, else seconds.</summary>
    public static string Time(double seconds) => seconds < 1 ? $"{seconds * 1000:f0} ms" : $"{seconds:f1} s";

    public static string Table(string[] head, params string[][] rows)
    {
        var text = new StringBuilder().Append($"| {string.Join(" | ", head)} |\n").Append($"|{string.Concat(head.Select(_ => "---|"))}\n");
        foreach (var row in rows) text.Append($"| {string.Join(" | ", row)} |\n");
        return text.ToString();
    }
}
