using System.Diagnostics;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Few file descriptors or little address space end in one line that says which limit to raise.</summary>
public sealed class LimitTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(32), InlineData(64), InlineData(127)]
    public async Task Few_descriptors(int limit)
    {
        var (code, error) = await Graph($"-n {limit}");
        Assert.Equal(ExitCodes.Failed, code);
        Assert.Equal($"onnx-attribution: at most {limit} files may be open at once ('ulimit -n'), and the program alone needs 128; "
            + "allow more: ulimit -n 4096\n", error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public async Task Enough_descriptors_for_the_smallest_model()
    {
        var (code, error) = await Graph("-n 128");
        Assert.True(code == ExitCodes.Done, error);
    }

    /// <summary>In KiB; where between these .NET's own start and success lie depends on the machine. Between 2.3 and 2.5 GB the runtime's
    /// own parts run short, now one, now another, and it may end itself ("Out of memory.").</summary>
    [Theory]
    [InlineData(2_600_000), InlineData(3_500_000), InlineData(4_000_000), InlineData(4_500_000)]
    public async Task Little_address_space(int limit)
    {
        var (code, error) = await Graph($"-v {limit}");
        // enough here, or too little for .NET to start
        if (code == ExitCodes.Done || error.Contains("CoreCLR", StringComparison.Ordinal)) return;
        Assert.Equal(ExitCodes.Failed, code);
        Assert.StartsWith("onnx-attribution: ", Assert.Single(error.TrimEnd('\n').Split('\n')));
        Assert.Contains("ulimit -v", error);
    }

    [Theory]
    [InlineData("[ErrorCode:Fail] env.cc:327 onnxruntime::PosixThread::PosixThread(const char*, int) pthread_create failed, error code: "
        + "12 error msg: Cannot allocate memory", "threads", "ulimit -u")]
    [InlineData("[ErrorCode:RuntimeException] bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 4096",
        "memory budget", nameof(Setting.Memory))]
    [InlineData("[ErrorCode:RuntimeException] std::bad_alloc", "memory", "ulimit -v")]
    [InlineData("[ErrorCode:Fail] env.cc open file /x fail, errcode = 24 - Too many open files", "too many", "ulimit -n")]
    public void What_ONNX_Runtime_does_not_get(string message, string what, string fix)
    {
        var (words, setting) = RuntimeShortage.Of(message)!.Value;
        Assert.Contains(what, words);
        Assert.Contains(fix, $"{words} {setting}");
    }

    [Fact]
    public void A_graph_that_is_wrong_is_no_shortage() =>
        Assert.Null(RuntimeShortage.Of(
            "[ErrorCode:InvalidGraph] This is an invalid model. Type Error: Type 'tensor(int64)' of input parameter (x) is invalid."));

    /// <summary>As <c>Parallel.For</c> and a thread pool say it that gets no memory for a thread.</summary>
    [Fact]
    public void A_thread_that_does_not_start_is_a_shortage_of_memory()
    {
        var started = new TaskSchedulerException(new OutOfMemoryException());
        Exception[] thrown = [started, new AggregateException(started), new AggregateException(started, started),
            new TypeInitializationException("T", new AggregateException(started))];
        Assert.All(thrown, e =>
            Assert.StartsWith("graph needs more memory than there is", FailureLine.Of(FailureLine.CauseOf(e), "graph")));
        var different = new AggregateException(started, new IOException());
        Assert.Same(different, FailureLine.CauseOf(different));
    }

    [Theory]
    [InlineData("libonnxruntime.so: failed to map segment from shared object", "ulimit -v")]
    [InlineData("onnxruntime.so: cannot open shared object file: Too many open files", "ulimit -n")]
    [InlineData("onnxruntime.so: cannot open shared object file: No such file or directory", "install the program again")]
    public void A_library_that_does_not_load(string loader, string fix)
    {
        var line =
            FailureLine.Of(
                new DllNotFoundException("Unable to load shared library 'onnxruntime' or one of its dependencies. "
                    + $"In order to help diagnose loading problems:\n/a/{loader}\n"),
                "graph");
        Assert.StartsWith("graph cannot load the library 'onnxruntime': ", line);
        Assert.Contains(fix, line);
        Assert.DoesNotContain("In order to", line);
    }

    [Theory]
    [InlineData("graph", ">&-"), InlineData("graph", ">/dev/full"), InlineData("query", ">&-"), InlineData("query", ">/dev/full")]
    public async Task A_stdout_that_takes_nothing_is_named_and_what_was_written_stays(string verb, string stdout)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "has /dev/full");
        var run = _directory["run"];
        string[] graph = ["graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--out", run, "--no-page"];
        if (verb == "query") Verb.Run(graph).Done();
        var words = verb == "graph" ? graph : ["query", run, "SELECT 1", "--format", "csv"];
        var start = new ProcessStartInfo("sh",
            ["-c", $"exec \"$@\" {stdout}", "sh", .. TestedProgram.Command, .. words])
        {
            RedirectStandardError = true
        };
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal(ExitCodes.Failed, Patience.ExitOf(process));
        Assert.Contains("stdout is closed, or what it leads to is full", Assert.Single((await error).TrimEnd('\n').Split('\n')));
        Verb.Run("query", run, "SELECT count(*) FROM nodes").Done();
    }

    private async Task<(int Code, string Error)> Graph(string limit)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sets limits as Linux has them");
        var start = new ProcessStartInfo("sh",
            ["-c", $"ulimit {limit} && exec \"$@\"", "sh", .. TestedProgram.Command,
                "graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--out", _directory["run"]])
        { RedirectStandardError = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var code = Patience.ExitOf(process);
        await output;
        return (code, await error);
    }
}
