using System.Text.Json.Serialization;

namespace OnnxAttribution.Bench;

/// <summary>What graphs of one shape cost, the model loaded, and what stands beside that: a whole process, and the store.</summary>
/// <param name="NodesPerSite">Features kept per site; error nodes come on top.</param>
/// <param name="GemmFlopsPerSecond">The machine's matrix-multiply rate (<see cref="Runtime.MachineRate"/>).</param>
/// <param name="Operations">Floating-point operations of the matrix products of the median run.</param>
/// <param name="Seconds">Of each counted run, in their order; each has another prompt.</param>
/// <param name="Stages">Seconds of the median run, by stage.</param>
/// <param name="Nodes">Of the last run, as are kept nodes, edges and runtime calls.</param>
/// <param name="ActiveFeatures">Per position and site, on average.</param>
/// <param name="Packed">The model's weights were laid out for speed.</param>
/// <param name="FirstSeconds">The first graph, which is not counted: it makes the sessions.</param>
/// <param name="SessionSeconds">To make all sessions: reading, optimising and packing weights.</param>
/// <param name="PeakMemoryBytes">Of the process while it drew graphs.</param>
/// <param name="ProcessSeconds">From starting the program to Parquet on disk, the median of three, files in the page cache; in records
/// before 2026-12-01 one run, with its page.</param>
/// <param name="Peers">The same edges in PyTorch; null: not timed.</param>
internal sealed record GraphRecord(
    Setting Setting, int NodesPerSite, double GemmFlopsPerSecond, long Operations, IReadOnlyList<double> Seconds,
    IReadOnlyDictionary<string, double> Stages, int RuntimeCalls, int Nodes, int KeptNodes, int Edges, double ActiveFeatures, bool Packed,
    double FirstSeconds, double SessionSeconds, long PeakMemoryBytes, double ProcessSeconds, StoreTiming Store,
    IReadOnlyList<PeerTime>? Peers) : IBenchRecord
{
    /// <summary>The same graphs with exact edges; null: of an earlier version.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ExactTiming? Exact { get; init; }

    /// <summary>The same graphs with their strongest nodes really patched; null: not timed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RefinedTime? Refined { get; init; }

    /// <summary>The dictionaries had screens beside them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsScreened { get; init; }

    public string Name => Setting.FileName + (IsScreened ? "-screened" : "")
        + (NodesPerSite == BenchRequest.UsualNodes ? "" : $"-k{NodesPerSite}");

    /// <summary>The same with edges split by heads; null: not timed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public HeadsTiming? Heads { get; init; }

    /// <summary>What <c>graph --plan</c> says of the last of these graphs; null: of an earlier version.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PlannedFigures? Plan { get; init; }

    /// <summary>Seconds that the operations need at the machine's rate.</summary>
    public double Floor => Operations / GemmFlopsPerSecond;

    public double Median => Figures.Median(Seconds);

    public double Ratio => Median / Floor;

    /// <summary>What the peers are compared with: from active features to edges.</summary>
    public double EdgeSeconds => Stages["cotangents"] + Stages["edges"];

    public void Print(TextWriter output)
    {
        var model = Setting.Model;
        output.WriteLine($"{model.Type}: {model.Layers} layers, width {model.Width}, {model.Vocabulary:N0} tokens, "
            + $"dictionaries of {model.Features:N0} features at {model.Sites} sites; T = {Setting.Tokens}");
        output.WriteLine($"ONNX Runtime {Setting.OnnxRuntime}, {Setting.Device}, {Setting.Threads} threads; {ActiveFeatures:f0} features "
            + $"active per position and site, {Nodes:N0} nodes, {KeptNodes:N0} kept, {Edges:N0} edges"
            + (Packed ? "" : "; weights not packed, to save memory"));
        output.WriteLine();
        output.WriteLine($"matrix-multiply rate      {GemmFlopsPerSecond / 1e9,8:f0} GFLOP/s");
        output.WriteLine($"operations needed         {Operations / 1e9,8:f1} GFLOP");
        output.WriteLine($"their floor               {Floor * 1000,8:f0} ms");
        output.WriteLine($"measured, model loaded    {Median * 1000,8:f0} ms  ({Seconds.Min() * 1000:f0} to {Seconds.Max() * 1000:f0})");
        foreach (var (stage, seconds) in Stages) output.WriteLine($"  {stage,-23} {seconds * 1000,8:f0} ms");
        output.WriteLine($"ratio to the floor        {Ratio,8:f2}");
        if (Heads is { } heads)
        {
            output.WriteLine($"graph --heads             {heads.Split * 1000,8:f0} ms  ({heads.Split / heads.Plain:f2} of graph's "
                + $"{heads.Plain * 1000:f0} ms, the {HeadsTiming.Edges:N0} strongest edges)");
        }
        output.WriteLine($"runtime calls             {RuntimeCalls,8}");
        output.WriteLine($"peak memory               {PeakMemoryBytes / SpeedTables.GiB,8:f1} GiB");
        output.WriteLine($"first graph               {FirstSeconds,8:f1} s   (of it sessions {SessionSeconds:f1} s)");
        output.WriteLine($"process start to Parquet  {ProcessSeconds,8:f1} s");
        output.WriteLine($"{Store.Edges,-16:N0} edges    {Store.WriteSeconds,8:f1} s to sort and write, "
            + $"peak {Store.MoreMemoryBytes / SpeedTables.GiB:f2} GiB more");
        PrintExact(output);
        if (Refined is { } refined)
        {
            output.WriteLine($"refined, N = {refined.Budget,-10}    {refined.Median * 1000,8:f0} ms  ({refined.Seconds.Min() * 1000:f0} to "
                + $"{refined.Seconds.Max() * 1000:f0}; {refined.Operations / 1e9:f1} GFLOP; {refined.Moved} nodes one block deep, "
                + $"{refined.Exact} all the way), {refined.Median / Median:f2} times as long");
        }
        if (Plan is { } plan)
        {
            output.WriteLine($"as planned                {plan.Seconds * 1000,8:f0} ms, {plan.Operations / 1e9:f1} GFLOP, peak "
                + $"{plan.MemoryBytes / SpeedTables.GiB:f1} GiB, first graph {plan.StartSeconds:f1} s");
        }
        PrintPeers(output);
    }

    private void PrintExact(TextWriter output)
    {
        if (Exact is null) return;
        output.WriteLine($"with exact edges          {Exact.Median * 1000,8:f0} ms  ({Exact.Seconds.Min() * 1000:f0} to "
            + $"{Exact.Seconds.Max() * 1000:f0}), {Exact.Median / Median:f2} times as long; {Exact.Operations / 1e9:f1} GFLOP, "
            + $"peak {Exact.PeakMemoryBytes / SpeedTables.GiB:f1} GiB");
    }

    private void PrintPeers(TextWriter output)
    {
        if (Peers is null) return;
        output.WriteLine();
        output.WriteLine($"the same edges in {Peers[0].Program}; ours, cotangents and edges: {EdgeSeconds * 1000:f0} ms");
        foreach (var p in Peers)
        {
            output.WriteLine($"  {p.Name,-60} {p.Seconds,9:f2} s{(p.Extrapolated ? " (extrapolated)" : "               ")} "
                + $"{p.Seconds / EdgeSeconds,8:f1} times ours");
        }
    }
}

/// <summary>Graphs with their strongest nodes really patched.</summary>
/// <param name="Budget">N: how many at most.</param>
/// <param name="Seconds">Of each counted run.</param>
/// <param name="Operations">Floating-point operations of the last run.</param>
/// <param name="Moved">Nodes that were run some blocks deep, of the last run.</param>
/// <param name="Exact">Nodes that were run all the way.</param>
internal sealed record RefinedTime(int Budget, IReadOnlyList<double> Seconds, long Operations, int Moved, int Exact)
{
    public double Median => Figures.Median(Seconds);
}

/// <summary>What a plan says of a graph.</summary>
/// <param name="Operations">Floating-point operations.</param>
/// <param name="Seconds">With sessions made.</param>
/// <param name="StartSeconds">To start a process and make them.</param>
/// <param name="MemoryBytes">Peak, mapped files included.</param>
internal sealed record PlannedFigures(long Operations, double Seconds, double StartSeconds, long MemoryBytes)
{
    public static PlannedFigures Of(Runs.GraphPlan plan) =>
        new(plan.Operations, Figures.Rounded(plan.Seconds), Figures.Rounded(plan.StartSeconds), plan.MemoryBytes);
}
