using System.Globalization;
using OnnxAttribution.Files;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Bench;

/// <summary>Where, when and with what a benchmark ran: the first key of every file under <c>benchmarks/</c>.</summary>
/// <param name="Benchmark"><c>graph</c>, <c>batch</c>, <c>ablation</c> or <c>dataset</c>.</param>
/// <param name="Date">Day of the measurement, UTC.</param>
/// <param name="LoadBefore">The load average of the minute before: near 0 on a quiet machine. null: the system does not say.</param>
/// <param name="Version">The program's.</param>
/// <param name="OnnxRuntime">Version of the native library.</param>
internal sealed record Setting(
    string Benchmark, string Date, Machine Machine, double? LoadBefore, string Version, string OnnxRuntime, string Device, int Threads,
    ModelSizes Model, int Tokens)
{
    /// <summary>Benchmark and shape, and what is not as usual.</summary>
    public string FileName =>
        $"{Benchmark}-{Model.Shape}{(Tokens == BenchRequest.UsualTokens ? "" : $"-t{Tokens}")}{(Device == "cpu" ? "" : $"-{Device}")}";

    public static Setting Of(string benchmark, BenchRequest request) =>
        Of(benchmark, ModelSizes.Of(request.Shape), request.Tokens, request.Context);

    public static Setting Of(string benchmark, ModelSizes model, int tokens, RunContext context) => new(
        benchmark, DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), Machine.This(), Load(),
        ThisProgram.Version, RunContext.RuntimeVersion, EnumName.Of(context.Device), context.Threads, model, tokens);

    private static double? Load()
    {
        const string path = "/proc/loadavg";
        return File.Exists(path) ? double.Parse(File.ReadAllText(path).Split(' ')[0], CultureInfo.InvariantCulture) : null;
    }
}

/// <summary>The random model's sizes.</summary>
/// <param name="Shape">A published model's name, or the sizes that were asked for.</param>
/// <param name="Features">Per dictionary.</param>
/// <param name="Sites">With a dictionary.</param>
internal sealed record ModelSizes(string Shape, string Type, int Layers, int Width, int Vocabulary, int Features, int Sites)
{
    public static ModelSizes Of(SyntheticShape shape) =>
        new(shape.ShortName, shape.ModelType, shape.Layers, shape.Width, shape.Vocabulary, shape.Features, shape.Sites);
}
