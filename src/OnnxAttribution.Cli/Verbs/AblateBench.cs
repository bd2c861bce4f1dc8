using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Export;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>What <c>bench --ablate</c> prints.</summary>
internal static class AblateBench
{
    public static void Print(TextWriter output, SyntheticShape shape, RunContext context, int tokens, AblationOptions options,
        AblationBenchmark.Figures f, ValidationBenchmark.Figures v)
    {
        output.WriteLine($"{shape.Layers} layers, width {shape.Width}, {shape.Vocabulary:N0} tokens, "
            + $"dictionaries of {shape.Features:N0} features at {f.Sites} residual sites; T = {tokens}");
        output.WriteLine($"ONNX Runtime {RunContext.RuntimeVersion}, {context.Device}, {context.Threads} threads; "
            + $"positions {EnumName.Of(options.Positions)}, measured at {EnumName.Of(options.Measure)}");
        output.WriteLine($"{f.Ablated:N0} ablated, {f.EdgesSeen:N0} edges seen; matrix-multiply rate {f.GemmRate / 1e9:f0} GFLOP/s");
        output.WriteLine();
        output.WriteLine($"{"",-26}{"edges",12}{"with logits",14}");
        Row("operations, TFLOP", t => $"{t.Operations / 1e12:f2}");
        Row("their floor, s", t => $"{t.Floor:f2}");
        Row("measured, s", t => $"{t.Seconds:f2}");
        Row("  least", t => $"{t.Least:f2}");
        Row("  most", t => $"{t.Most:f2}");
        foreach (var stage in f.WithLogits.Stages.Keys) Row("  " + stage, t => t.Stages.TryGetValue(stage, out var s) ? $"{s:f2}" : "–");
        Row("ratio to the floor", t => $"{t.Ratio:f2}");
        Row("runtime calls", t => $"{t.RuntimeCalls}");
        Row("peak memory, GiB", t => $"{t.PeakMemory / (double)(1 << 30):f1}");
        output.WriteLine();
        output.WriteLine($"whole forward passes, one feature at a time: {f.SlowPerFeature * 1000:f0} ms each (median of {f.SlowSample}), "
            + $"{f.SlowSeconds:f0} s for all (extrapolated): {f.EdgeSpeedUp:f1} times as long as edges, "
            + $"{f.SpeedUp:f1} times as long as with logits");
        output.WriteLine($"validate: {v.Nodes:N0} nodes and {v.Edges:N0} edges at {v.Sites} sites in {v.Seconds:f1} s, "
            + $"{v.OpenSeconds:f1} of them to open the model; {v.RuntimeCalls} runtime calls");

        void Row(string what, Func<AblationBenchmark.Timing, string> value) =>
            output.WriteLine($"{what,-26}{value(f.Edges),12}{value(f.WithLogits),14}");
    }

    public static JsonObject Json(SyntheticShape shape, RunContext context, int tokens, AblationOptions options,
        AblationBenchmark.Figures f, ValidationBenchmark.Figures v) =>
        new()
        {
            ["shape"] = shape.Name,
            ["tokens"] = tokens,
            ["device"] = EnumName.Of(context.Device),
            ["threads"] = context.Threads,
            ["onnxruntime"] = RunContext.RuntimeVersion,
            ["positions"] = EnumName.Of(options.Positions),
            ["measure"] = EnumName.Of(options.Measure),
            ["gemm_flops_per_second"] = f.GemmRate,
            ["sites"] = f.Sites,
            ["ablated"] = f.Ablated,
            ["edges_seen"] = f.EdgesSeen,
            ["edges"] = Timing(f.Edges),
            ["with_logits"] = Timing(f.WithLogits),
            ["slow_seconds_per_feature"] = f.SlowPerFeature,
            ["slow_sample"] = f.SlowSample,
            ["slow_seconds_extrapolated"] = f.SlowSeconds,
            ["speed_up"] = f.SpeedUp,
            ["edge_speed_up"] = f.EdgeSpeedUp,
            ["validate"] = new JsonObject
            {
                ["nodes"] = v.Nodes,
                ["edges"] = v.Edges,
                ["sites"] = v.Sites,
                ["seconds"] = v.Seconds,
                ["open_seconds"] = v.OpenSeconds,
                ["runtime_calls"] = v.RuntimeCalls,
                ["peak_memory_bytes"] = v.PeakMemory,
            },
        };

    private static JsonObject Timing(AblationBenchmark.Timing t) => new()
    {
        ["operations"] = t.Operations,
        ["floor_seconds"] = t.Floor,
        ["seconds"] = t.Seconds,
        ["least_seconds"] = t.Least,
        ["most_seconds"] = t.Most,
        ["ratio"] = t.Ratio,
        ["stages"] = new JsonObject(t.Stages.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)s.Value))),
        ["runtime_calls"] = t.RuntimeCalls,
        ["peak_memory_bytes"] = t.PeakMemory,
    };
}
