using System.Diagnostics;
using System.Runtime.InteropServices;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>ONNX Runtime tells nobody of what is run with it, and all sessions share one pool of threads.</summary>
public sealed partial class RuntimeEnvironmentTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_user_of_the_library_has_telemetry_off_before_the_runtime_loads()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "reads the native environment");
        _ = RunContext.UsableCores;     // the assembly is loaded by its first use
        Assert.Equal("1", Marshal.PtrToStringUTF8(NativeVariable("ORT_DISABLE_TELEMETRY")));
    }

    [Fact]
    public async Task A_run_leaves_no_file_in_the_home_folder_nor_in_the_temporary_folder()
    {
        var (code, error) = await Graph([], []);
        Assert.True(code == 0 && error.Length == 0, error);
        Assert.Empty(Directory.EnumerateFiles(_directory["home"], "*", SearchOption.AllDirectories));
        Assert.Empty(Directory.EnumerateFiles(_directory["tmp"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Who_wants_telemetry_is_obeyed()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "official builds for Linux write into the home folder");
        var (code, error) = await Graph([], ["ORT_DISABLE_TELEMETRY=0"]);
        Assert.True(code == 0 && error.Length == 0, error);
        // this is what the tests beside look for: did it stand elsewhere, they would see nothing
        Assert.Contains(Directory.EnumerateFiles(_directory["home"], "*", SearchOption.AllDirectories),
            f => f.Contains(".onnxruntime", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_run_asks_nothing_of_the_network()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "strace watches system calls of Linux");
        var trace = _directory["trace"];
        var (code, error) = await Graph(["strace", "-f", "-qq", "-e", "trace=network", "-o", trace], []);
        Assert.True(code == 0 && error.Length == 0, $"{error} (strace is installed by 'make test')");
        Assert.DoesNotContain(File.ReadLines(trace),
            line => line.Contains("AF_INET", StringComparison.Ordinal) || line.Contains("nscd", StringComparison.Ordinal));
        Assert.NotEmpty(File.ReadLines(trace));     // .NET's own diagnostics socket: what is watched is seen
    }

    [Fact]
    public void Threads_are_no_more_than_the_usable_cores()
    {
        Assert.Equal(RunContext.UsableCores, new RunContext(threads: 1000).Threads);
        Assert.Equal(RunContext.UsableCores, new RunContext().Threads);
        Assert.Equal(1, new RunContext(threads: 1).Threads);
    }

    [Fact]
    public void More_threads_than_cores_are_said_in_one_line_and_change_nothing()
    {
        var run = Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--out", _directory["run"],
            "--no-page", "--threads", "1000");
        Assert.Equal(0, run.Code);
        Assert.StartsWith("warning: --threads 1000: this process may use ", run.Error);
        Assert.Single(run.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task A_thousand_threads_make_as_few_native_threads_as_one_per_core()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "strace watches system calls of Linux");
        Assert.Equal(await Threads(RunContext.UsableCores), await Threads(1000), tolerance: 8);      // .NET's own come and go

        async Task<double> Threads(int asked)
        {
            var trace = _directory[$"trace-{asked}"];
            var (code, error) = await Graph(["strace", "-f", "-qq", "-e", "trace=clone,clone3", "-o", trace], [], "--threads", $"{asked}");
            Assert.True(code == 0, $"{error} (strace is installed by 'make test')");
            return File.ReadLines(trace).Count(line => line.Contains("CLONE_THREAD", StringComparison.Ordinal));
        }
    }

    // in a process of its own, with a home and a temporary folder of its own
    private async Task<(int Code, string Error)> Graph(string[] before, string[] environment, params string[] options)
    {
        string[] command =
        [
            .. before, .. TestedProgram.Command, "graph", "--model", Repository.TinyModel,
            "--prompt", "Copyright (C", "--out", _directory["run"], "--force", .. options,
        ];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, folder) in (ReadOnlySpan<(string, string)>)[("HOME", "home"), ("TMPDIR", "tmp")])
        {
            start.Environment[name] = Directory.CreateDirectory(_directory[folder]).FullName;
        }
        // CI's mark turns telemetry off
        foreach (var name in (string[])["XDG_CACHE_HOME", "CI", "ORT_DISABLE_TELEMETRY"]) start.Environment.Remove(name);
        foreach (var setting in environment) start.Environment[setting.Split('=')[0]] = setting.Split('=')[1];
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
        return (process.ExitCode, error);
    }

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint NativeVariable(string name);
}
