using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Export;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>bench</c>: the main job on a random model of GPT-2-small's shape,
/// against the machine's matrix-multiply limit.</summary>
internal static class BenchCommand
{
    private const string Description = """
        Time nodes and edges on a random model (by default of GPT-2-small's shape, 37 dictionaries of 24,576 features; --model-shape: of
        another model's), against the machine's matrix-multiply limit. The model is made once and cached on disk (about 6 GB). With
        --ablate, time naive ablation of every active feature instead.

        Example: onnx-attribution bench --tokens 16 --nodes 64
                 onnx-attribution bench --model-shape pythia-70m
                 onnx-attribution bench --ablate --layers 3 --width 256 --features 2048 --vocabulary 4096
        """;

    private const int AblateRuns = 3, SlowSample = 11;

    public static Command Create(CommonOptions common)
    {
        Option<int> Size(string name, int value, string what) =>
            new(name) { Description = $"{what} ({value})", HelpName = "N", DefaultValueFactory = _ => value };
        var published = new Option<string?>("--model-shape")
        {
            Description = $"sizes of a published model and of dictionaries that people use with it",
            HelpName = string.Join('|', SyntheticShape.Published.Keys)
        };
        published.AcceptOnlyFromAmong([.. SyntheticShape.Published.Keys]);
        var layers = Size("--layers", 12, "transformer blocks");
        var width = Size("--width", 768, "width of the residual stream, a multiple of 64");
        var features = Size("--features", 24576, "features per dictionary");
        var vocabulary = Size("--vocabulary", 50257, "tokens of the vocabulary");
        var tokens = Size("--tokens", 16, "tokens of the prompt");
        var nodes = Size("--nodes", 64, "features kept per site; error nodes come on top");
        var runs = Size("--runs", 7, "counted runs");
        var memory = new Option<int>("--memory")
        {
            Description = "MiB for the cotangents of one run (1024)",
            HelpName = "MiB",
            DefaultValueFactory = _ => 1024
        };
        var cache = new Option<string>("--cache")
        {
            Description = "where random models are kept",
            HelpName = "DIR",
            DefaultValueFactory = _ =>
                Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "onnx-attribution")
        };
        var peers = new Option<string?>("--peers")
        {
            Description = "what bench/bench_peer.py --json wrote, to compare with",
            HelpName = "FILE"
        };
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var ablate = new Option<bool>("--ablate")
        {
            Description = "time 'ablate' at all residual sites, edges alone and with logits, whole forward passes for comparison, "
                + $"and 'validate'; {AblateRuns} counted runs"
        };
        var positions = AblateGraphMode.OneOf("--positions", "with --ablate: where a feature is ablated", "all", "last", "each");
        var measure = AblateGraphMode.OneOf("--measure", "with --ablate: where downstream features are read", "all", "last");
        foreach (var o in (Option<int>[])[layers, width, features, vocabulary, tokens, nodes, runs, memory]) o.AtLeast(1);
        var command = new Command("bench", Description) { published, layers, width, features, vocabulary, tokens, nodes, runs, memory,
            ablate, positions, measure, cache, peers, json };
        command.Validators.Add(result =>
        {
            bool Given(Option option) => result.GetResult(option) is { Implicit: false };
            if (Given(published) && ((Option[])[layers, width, vocabulary]).FirstOrDefault(Given) is { } size)
            {
                result.AddError($"{size.Name} has no meaning with --model-shape, which says it; leave one of them out");
            }
            Option[] wrong = result.GetValue(ablate) ? [nodes, peers] : [positions, measure];
            if (wrong.FirstOrDefault(Given) is { } option)
            {
                result.AddError(
                    $"{option.Name} {(result.GetValue(ablate) ? "has no meaning with --ablate; leave it out" : "goes with --ablate")}");
            }
        });
        command.SetAction((parsed, cancel) => Task.Run(() =>
        {
            int d = parsed.GetValue(width), t = parsed.GetValue(tokens);
            if (d % 64 != 0) throw new UsageException($"--width {d} is no multiple of 64, the width of a head");
            if (t < 2 || t > 1024) throw new UsageException($"--tokens {t} must be 2 to 1024");
            if (parsed.GetValue(vocabulary) < 300) throw new UsageException("--vocabulary must be 300 or more: 256 bytes and some");
            var n = parsed.GetValue(features);
            var shape = parsed.GetValue(published) is { } name
                ? SyntheticShape.Published[name]
                : new SyntheticShape(parsed.GetValue(layers), d, d / 64, parsed.GetValue(vocabulary));
            if (parsed.GetValue(published) is null || parsed.GetResult(features) is { Implicit: false })
            {
                shape = shape with { Features = n, ActiveFeatures = Math.Min(60, n / 2) };
            }
            var peer = parsed.GetValue(peers) is { } file ? PeerFigures.Read(file) : null;
            var invocation = parsed.InvocationConfiguration;
            var context = common.Context(parsed, cancel);
            using var progress = new ProgressLine(invocation.Error);
            var bundle = GraphBenchmark.Prepare(parsed.GetRequiredValue(cache), shape, progress.Report, cancel);
            if (parsed.GetValue(ablate))
            {
                var options = new AblationOptions(Positions: Enum.Parse<AblationPositions>(parsed.GetRequiredValue(positions), true),
                    Measure: Enum.Parse<AblationMeasure>(parsed.GetRequiredValue(measure), true),
                    MemoryBudget: (long)parsed.GetValue(memory) << 20);
                var ablation = AblationBenchmark.Run(bundle, context, t, options,
                    parsed.GetResult(runs) is { Implicit: false } ? parsed.GetValue(runs) : AblateRuns, SlowSample, progress.Report);
                progress.Report("timing a validation");
                var validation = ValidationBenchmark.Run(bundle, context, t, options.MemoryBudget);
                progress.Dispose();
                if (parsed.GetValue(json))
                {
                    Screen.WriteJson(invocation.Output, AblateBench.Json(shape, context, t, options, ablation, validation));
                }
                else
                {
                    AblateBench.Print(invocation.Output, shape, context, t, options, ablation, validation);
                }
                return CommandLine.Done;
            }
            // first, so that its peak memory is its own
            progress.Report("timing the store");
            var store = Store(cancel);
            progress.Report("timing graphs");
            var figures = GraphBenchmark.Run(bundle, context, t, parsed.GetValue(nodes), parsed.GetValue(runs),
                (long)parsed.GetValue(memory) << 20);
            progress.Report("timing a whole process");
            var process = WholeProcess(bundle, t, parsed.GetValue(nodes), context);
            progress.Dispose();
            var ours = figures.Stages["cotangents"] + figures.Stages["edges"];
            if (parsed.GetValue(json))
            {
                var result = Json(shape, context, t, figures, process, store);
                if (peer is not null) result["peers"] = peer.ToJson(ours);
                Screen.WriteJson(invocation.Output, result);
            }
            else
            {
                Print(invocation.Output, shape, context, t, figures, process, store);
                peer?.Print(invocation.Output, ours);
            }
            return CommandLine.Done;
        }, CancellationToken.None));
        return command;
    }

    /// <summary>Seconds from starting the program to Parquet on disk,
    /// with the files in the page cache (they were just read), and that process's peak memory.</summary>
    private static double WholeProcess(string bundle, int tokens, int nodes, RunContext context)
    {
        var directory = Directory.CreateTempSubdirectory("onnx-attribution-bench-").FullName;
        try
        {
            var assembly = Path.Combine(AppContext.BaseDirectory, "onnx-attribution.dll");
            var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardError = true };
            if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            {
                start.ArgumentList.Add(assembly);
            }
            // in the random vocabulary every byte is a token, and BOS is one more
            foreach (var a in (string[])["graph", "--model", bundle, "--prompt", new string('a', tokens - 1), "--top-nodes", $"{nodes}",
                "--out", Path.Combine(directory, "run"), "--threads", $"{context.Threads}",
                "--device", context.Device == DeviceKind.Cuda ? "cuda" : "cpu"])
            {
                start.ArgumentList.Add(a);
            }

            var clock = Stopwatch.GetTimestamp();
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync();
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? Stopwatch.GetElapsedTime(clock).TotalSeconds
                : throw new InvalidOperationException($"the whole process failed: {error.Result.Trim()}");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static StoreTiming Store(CancellationToken cancel)
    {
        var directory = Directory.CreateTempSubdirectory("onnx-attribution-bench-").FullName;
        try
        {
            return StoreBenchmark.Measure(Path.Combine(directory, "run"), 3000, 10_000_000, cancel);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Print(TextWriter output, SyntheticShape shape, RunContext context, int tokens, GraphBenchmark.Figures f,
        double process, StoreTiming store)
    {
        output.WriteLine($"{shape.ModelType}: {shape.Layers} layers, width {shape.Width}, {shape.Vocabulary:N0} tokens, "
            + $"dictionaries of {shape.Features:N0} features at {shape.Sites} sites; T = {tokens}");
        output.WriteLine($"ONNX Runtime {RunContext.RuntimeVersion}, {context.Device}, {context.Threads} threads; {f.ActiveFeatures:f0} "
            + $"features active per position and site, {f.Nodes:N0} nodes, {f.KeptNodes:N0} kept, {f.Edges:N0} "
            + $"edges{(f.Packed ? "" : "; weights not packed, to save memory")}");
        output.WriteLine();
        output.WriteLine($"matrix-multiply rate      {f.GemmRate / 1e9,8:f0} GFLOP/s");
        output.WriteLine($"operations needed         {f.Operations / 1e9,8:f1} GFLOP");
        output.WriteLine($"their floor               {f.Floor * 1000,8:f0} ms");
        output.WriteLine(
            $"measured, model loaded    {f.Seconds * 1000,8:f0} ms  ({f.Spread.Least * 1000:f0} to {f.Spread.Most * 1000:f0})");
        foreach (var (stage, seconds) in f.Stages) output.WriteLine($"  {stage,-23} {seconds * 1000,8:f0} ms");
        output.WriteLine($"ratio to the floor        {f.Ratio,8:f2}");
        output.WriteLine($"runtime calls             {f.RuntimeCalls,8}");
        output.WriteLine($"peak memory               {f.PeakMemory / (double)(1 << 30),8:f1} GiB");
        output.WriteLine($"first graph               {f.FirstSeconds,8:f1} s   (of it sessions {f.SessionSeconds:f1} s)");
        output.WriteLine($"process start to Parquet  {process,8:f1} s");
        output.WriteLine($"10 million edges          {store.Write.TotalSeconds,8:f1} s to sort and write, "
            + $"peak {(store.PeakMemory - store.MemoryBefore) / (double)(1 << 30):f2} GiB more");
    }

    private static JsonObject Json(SyntheticShape shape, RunContext context, int tokens, GraphBenchmark.Figures f, double process,
        StoreTiming store) =>
        new()
        {
            ["shape"] = shape.Name,
            ["tokens"] = tokens,
            ["device"] = EnumName.Of(context.Device),
            ["threads"] = context.Threads,
            ["onnxruntime"] = RunContext.RuntimeVersion,
            ["gemm_flops_per_second"] = f.GemmRate,
            ["operations"] = f.Operations,
            ["floor_seconds"] = f.Floor,
            ["seconds"] = f.Seconds,
            ["least_seconds"] = f.Spread.Least,
            ["most_seconds"] = f.Spread.Most,
            ["ratio"] = f.Ratio,
            ["stages"] = new JsonObject(f.Stages.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)s.Value))),
            ["runtime_calls"] = f.RuntimeCalls,
            ["nodes"] = f.Nodes,
            ["kept_nodes"] = f.KeptNodes,
            ["edges"] = f.Edges,
            ["active_features"] = f.ActiveFeatures,
            ["packed"] = f.Packed,
            ["peak_memory_bytes"] = f.PeakMemory,
            ["first_graph_seconds"] = f.FirstSeconds,
            ["session_seconds"] = f.SessionSeconds,
            ["process_seconds"] = process,
            ["store_write_seconds"] = store.Write.TotalSeconds,
            ["store_read_seconds"] = store.Read.TotalSeconds,
        };
}
