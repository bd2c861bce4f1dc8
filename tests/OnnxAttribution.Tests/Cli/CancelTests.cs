using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Ctrl-C, or another signal that ends a process, in the middle:
/// one line, exit code 128 and its number, nothing half done.</summary>
public sealed partial class CancelTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    // minutes of work
    private static readonly string[] s_long = ["--prompt", "The quick brown fox jumps over", "--method", "ig", "--steps", "2000000"];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Cancelling_a_graph_ends_it_and_leaves_nothing()
    {
        // wherever in the minutes of work it falls
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        Verb.Run(cancel.Token, ["graph", "--model", model.Bundle, "--out", _directory["run"], .. s_long]).Failed(130, "cancelled");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void Cancelling_an_export_leaves_nothing()
    {
        using var cancel = new CancellationTokenSource();
        cancel.Cancel();
        Verb.Run(cancel.Token, "export", "--checkpoint", Random2Fixture.Checkpoint, "--out", _directory["bundle"], "--fold-layernorm")
            .Failed(130, "cancelled");
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    // timeout(1) sends its signal to the process and at once to the process's group
    [Theory]
    [InlineData(2, 1)]
    [InlineData(2, 5)]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(15, 1)]
    public async Task A_signal_ends_the_process_in_order_though_it_comes_several_times_at_once(int signal, int times)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sends a signal and reads /proc");
        var start = TestedProgram.Call(["graph", "--model", model.Bundle, "--out", _directory["run"], .. s_long]);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        try
        {
            Patience.Until(() => process.HasExited || IsComputing(process), "the model to run");
            Assert.False(process.HasExited);
            for (var i = 0; i < times; i++)
            {
                if (i > 0) await Task.Delay(2);     // signals that wait together are one
                Assert.Equal(0, Kill(process.Id, signal));
            }
            Assert.Equal(128 + signal, Patience.ExitOf(process));
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
        Assert.Equal("", await output);
        Assert.Equal("onnx-attribution: cancelled; nothing was written", (await error).TrimEnd());
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    // its handler is set before ONNX Runtime's library is mapped; seconds of work after that are neither start nor opening
    private static bool IsComputing(Process process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process.Id}/maps").Contains("libonnxruntime.so", StringComparison.Ordinal)
                && process.TotalProcessorTime > TimeSpan.FromSeconds(3);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            return false;   // it has ended
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
