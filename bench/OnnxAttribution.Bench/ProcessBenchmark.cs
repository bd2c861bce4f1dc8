using System.Diagnostics;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bench;

/// <summary>Times the command line from its start to Parquet on disk, with the files in the page cache: they were just read.</summary>
internal static class ProcessBenchmark
{
    /// <param name="program">onnx-attribution, or its .dll.</param>
    /// <returns>Seconds.</returns>
    /// <exception cref="InvalidOperationException">It failed; the message says what it said.</exception>
    public static double Run(BenchRequest request, string program)
    {
        if (!File.Exists(program)) throw new UsageException($"--program {program} is not there; build it, or name the one to time");
        using var directory = new TemporaryPlace();
        var isAssembly = program.EndsWith(".dll", StringComparison.OrdinalIgnoreCase);
        var start = new ProcessStartInfo(isAssembly ? "dotnet" : program) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (isAssembly) start.ArgumentList.Add(program);
        // in the random vocabulary every byte is a token, and BOS is one more
        string[] words = ["graph", "--model", request.Bundle, "--prompt", new string('a', request.Tokens - 1),
            "--top-nodes", $"{request.Nodes}", "--out", Path.Combine(directory.Path, "run"),
            "--threads", $"{request.Context.Threads}", "--device", EnumName.Of(request.Context.Device)];
        if (request.IsLong) words = [.. words, "--refine", "off"];
        foreach (var word in words) start.ArgumentList.Add(word);
        var clock = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? Figures.Rounded(Stopwatch.GetElapsedTime(clock).TotalSeconds)
            : throw new InvalidOperationException($"{program} failed: {error.Result.Trim()}");
    }
}

/// <summary>A directory for what is measured and thrown away; who makes it disposes it.</summary>
internal sealed class TemporaryPlace : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("onnx-attribution-bench-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
