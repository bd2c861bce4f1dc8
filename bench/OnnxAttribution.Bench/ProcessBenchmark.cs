using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bench;

/// <summary>Times the command line from its start to Parquet on disk, no page drawn, with the files in the page cache: a run before those
/// that are counted has read them.</summary>
internal static class ProcessBenchmark
{
    private const int Runs = 3;

    /// <param name="program">onnx-attribution, or its .dll.</param>
    /// <returns>Seconds, the median of three runs.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message says what it said.</exception>
    public static double Run(BenchRequest request, string program)
    {
        if (!File.Exists(program)) throw new UsageException($"--program {program} is not there; build it, or name the one to time");
        Once(request, program);
        return Figures.Rounded(Enumerable.Range(0, Runs).Select(_ => Once(request, program)).Order().ElementAt(Runs / 2));
    }

    private static double Once(BenchRequest request, string program)
    {
        using var directory = new TemporaryPlace();
        var isAssembly = program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(isAssembly ? "dotnet" : program) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (isAssembly) start.ArgumentList.Add(program);
        // in the random vocabulary every byte is a token, and BOS is one more
        string[] words = ["graph", "--model", request.Bundle, "--prompt", new string('a', request.Tokens - 1),
            "--top-nodes", $"{request.Nodes}", "--out", Path.Combine(directory.Path, "run"),
            "--threads", $"{request.Context.Threads}", "--device", EnumName.Of(request.Context.Device), "--no-page",
            "--refine", request.IsLong || request.Refine == 0 ? "off" : $"{request.Refine}"];
        foreach (var word in words) start.ArgumentList.Add(word);
        var clock = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? Stopwatch.GetElapsedTime(clock).TotalSeconds
            : throw new InvalidOperationException($"{program} failed: {error.Result.Trim()}");
    }
}

/// <summary>A directory for what is measured and thrown away; who makes it disposes it.</summary>
internal sealed class TemporaryPlace : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("onnx-attribution-bench-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
