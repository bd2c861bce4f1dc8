using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Bench;

/// <summary>
/// How long queries over a dataset of very many prompts take.
/// 1. Random graphs of GPT-2-small's sites go through the writer of datasets, part by part, into the cache; what is there already is not
///    written again, so that it may be stopped.
/// 2. Each query is asked several times, files in the page cache.
/// 3. The prompts are put in clusters once, as <c>cluster</c> does without options.
/// </summary>
internal static class DatasetBenchmark
{
    public const int UsualPrompts = 100_000;

    private const int EdgesPerPrompt = 1000, Sites = 37, Features = 24_576, KeptPerSite = 20, Tokens = 16, Asked = 5;

    // a feature that every tenth prompt or so has
    private const string Site = "blocks.5.hook_resid_pre", Usual = "SELECT count(*), sum(effect), count(DISTINCT run) FROM ";

    private static readonly (string Name, string Sql)[] s_queries =
    [
        ("prompts", "SELECT count(*), count(error) FROM prompts"),
        ("nodes_of_feature", $"{Usual} nodes WHERE site = '{Site}' AND feature = 100"),
        ("edges_into_feature", $"{Usual} edges WHERE down_site = '{Site}' AND down_feature = 100"),
        ("edges_out_of_feature", $"{Usual} edges WHERE up_site = '{Site}' AND up_feature = 100"),
        ("edges_of_rare_feature", $"{Usual} edges WHERE down_site = '{Site}' AND down_feature = 20000"),
        ("edges_of_prompt", $"{Usual} edges WHERE run = 'p777'"),
    ];

    public static DatasetSpeedRecord Measure(int prompts, string cache, RunContext context, Action<string> progress)
    {
        var sizes = new ModelSizes("gpt2", "gpt2", 12, 768, 50257, Features, Sites);
        var dataset = DatasetDirectory.Begin(Path.Combine(cache, $"dataset-{prompts}"), Record(prompts), resume: true, context.Cancel);
        var (written, seconds) = Write(dataset, context, progress);
        var setting = Setting.Of("dataset", sizes, Tokens, context);
        var asked = s_queries.ToDictionary(q => q.Name, q => Ask(dataset.Path, q.Sql, progress, context.Cancel));
        var files = new DirectoryInfo(dataset.Path).EnumerateFiles("*", SearchOption.AllDirectories).ToList();
        return new DatasetSpeedRecord(setting, prompts, EdgesPerPrompt, dataset.Record.PartSize!.Value,
            dataset.Record.Parts, files.Sum(f => f.Length), written == 0 ? null : Figures.Rounded(seconds / written), asked)
        {
            Cluster = ClusterTime.Measure(dataset.Path, context, progress),
        };
    }

    private static DatasetRecord Record(int prompts) => new()
    {
        Metric = "logit",
        Prompts = prompts,
        PartSize = DatasetRequest.UsualPartSize,
        Program = "bench",
    };

    private static (int Prompts, double Seconds) Write(DatasetDirectory dataset, RunContext context, Action<string> progress)
    {
        var size = dataset.Record.PartSize!.Value;
        var (start, written) = (Stopwatch.GetTimestamp(), 0);
        dataset.RemoveLeftovers();
        var options = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = context.Cancel };
        void WritePart(int number)
        {
            using var part = DatasetPart.TryBegin(dataset, number, context.Cancel);
            if (part is null) return;
            for (var i = number * size; i < Math.Min((number + 1) * size, dataset.Record.Prompts!.Value); i++)
            {
                part.Add(new PromptRow($"p{i}", i + 1) { Prompt = $"prompt {i}" }, Graph(i), []);
                Interlocked.Increment(ref written);
            }
            part.Commit([]);
            progress($"part {number:N0} of {dataset.Record.Parts:N0}");
        }
        try
        {
            Parallel.ForEach(Enumerable.Range(0, dataset.Record.Parts).Where(part => !dataset.IsWhole(part)), options, WritePart);
        }
        catch (AggregateException) when (context.Cancel.IsCancellationRequested)
        {
            // what several threads were stopped in
            throw new OperationCanceledException(context.Cancel);
        }
        return (written, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static IReadOnlyList<double> Ask(string path, string sql, Action<string> progress, CancellationToken cancel)
    {
        progress(sql);
        var seconds = new List<double>();
        for (var i = 0; i < Asked; i++)
        {
            var start = Stopwatch.GetTimestamp();
            using var answer = new RunQuery([path]).Execute(sql, cancel);
            answer.WriteTable(TextWriter.Null, cancel);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return Figures.Rounded(seconds);
    }

    // few features are common and most are rare
    private static RunContents Graph(int seed)
    {
        var random = new Random(seed);
        var nodes = new List<NodeRow>();
        var first = new int[Sites + 1];
        string[] kinds = ["resid", "attn", "mlp"];
        for (var site = 0; site < Sites; site++)
        {
            first[site] = nodes.Count;
            var (layer, kind) = (site / 3, kinds[site % 3]);
            var name = $"blocks.{layer}.{(kind == "resid" ? "hook_resid_pre" : $"hook_{kind}_out")}";
            var found = new HashSet<(int, int)>();
            while (found.Count < KeptPerSite)
            {
                found.Add((random.Next(Tokens), (int)(Features * Math.Pow(random.NextDouble(), 4))));
            }
            foreach (var (position, feature) in found.Concat(Enumerable.Range(0, Tokens).Select(p => (p, NodeRow.Error))))
            {
                nodes.Add(new NodeRow(name, layer, kind, position, $" token{position}", feature, random.NextSingle(), 0,
                    random.NextSingle(), random.NextSingle() - 0.5f, true));
            }
        }
        first[Sites] = nodes.Count;
        var edges = new Dictionary<(int, int), CausalEdge>();
        while (edges.Count < EdgesPerPrompt)
        {
            var site = random.Next(Sites);
            int Of(int at) => random.Next(first[at], first[at + 1]);
            var intoMetric = site == Sites - 1 || random.Next(16) == 0;
            var (up, down) = (Of(site), intoMetric ? CausalEdge.Metric : Of(random.Next(site + 1, Math.Min(site + 4, Sites))));
            edges[(up, down)] = new CausalEdge(up, down, random.NextSingle() - 0.5f, random.NextSingle() - 0.5f);
        }
        return new RunContents(nodes, [edges.Values.ToArray()], Tokens - 1, new GraphRunRecord());
    }
}

/// <summary>How fast a dataset of random graphs is written and asked.</summary>
/// <param name="Prompts">Each with <paramref name="EdgesPerPrompt"/> edges.</param>
/// <param name="PartSize">Prompts in a part.</param>
/// <param name="FileBytes">All files.</param>
/// <param name="WriteSeconds">Per prompt, all cores at it; null: it was there already.</param>
/// <param name="QuerySeconds">By query, each time that it was asked, from the paths to the printed answer.</param>
internal sealed record DatasetSpeedRecord(Setting Setting, int Prompts, int EdgesPerPrompt, int PartSize, int Parts, long FileBytes,
    double? WriteSeconds, IReadOnlyDictionary<string, IReadOnlyList<double>> QuerySeconds) : IBenchRecord
{
    /// <summary>null: an earlier version did not time it.</summary>
    public ClusterTime? Cluster { get; init; }

    public string Name => Prompts == DatasetBenchmark.UsualPrompts ? "dataset-gpt2" : $"dataset-gpt2-p{Prompts}";

    public void Print(TextWriter output)
    {
        output.WriteLine($"{Prompts:N0} prompts, {(long)Prompts * EdgesPerPrompt:N0} edges in {Parts:N0} parts, "
            + $"{FileBytes / SpeedTables.GiB:f2} GiB");
        if (WriteSeconds is { } write) output.WriteLine($"{"written, ms a prompt",-26}{write * 1000,12:f1}");
        foreach (var (query, seconds) in QuerySeconds)
        {
            output.WriteLine($"{query.Replace('_', ' ') + ", s",-26}{Figures.Median(seconds),12:f2}  "
                + $"({seconds.Min():f2} to {seconds.Max():f2})");
        }
        if (Cluster is not { } c) return;
        output.WriteLine($"{"cluster, s",-26}{c.Seconds:f2}: reading {c.ReadSeconds:f2}, {c.Clusters} clusters, "
            + $"{c.PeakMemoryBytes / SpeedTables.GiB:f1} GiB");
    }
}
