using System.Diagnostics;
using System.Runtime.InteropServices;

namespace OnnxAttribution.Tests.ExportScripts;

/// <summary>export-scripts/fetch_gpt2.sh at work. It needs bash and curl, which Windows may lack:
/// there, and only there, its tests are skipped.</summary>
internal sealed partial class FetchScript : IDisposable
{
    private const int Interrupt = 2;

    private readonly Process _process;
    private readonly Task<string> _output, _error;

    private FetchScript(Process process) =>
        (_process, _output, _error) = (process, Read(process.StandardOutput), Read(process.StandardError));

    public string Output => _output.Result;

    public string Error => _error.Result;

    public static string Path => System.IO.Path.Combine(Repository.Root, "export-scripts", "fetch_gpt2.sh");

    public static FetchScript Start(HubServer hub, string? token, params string[] arguments)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs bash and curl");
        var start = new ProcessStartInfo("bash", [Path, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true
        };
        foreach (var name in start.Environment.Keys.Where(k => k.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }
        start.Environment["HF_ENDPOINT"] = hub.Endpoint;
        start.Environment.Remove("HF_TOKEN");
        if (hub.CertificateFile is { } certificate) start.Environment["CURL_CA_BUNDLE"] = certificate;
        if (token is not null) start.Environment["HF_TOKEN"] = token;
        return new FetchScript(Process.Start(start) ?? throw new InvalidOperationException("bash does not start"));
    }

    public static FetchScript Run(HubServer hub, params string[] arguments)
    {
        var script = Start(hub, null, arguments);
        script.Wait();
        return script;
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>Its exit code.</returns>
    public int Wait() => Patience.ExitOf(_process);

    /// <summary>It went well and complained about nothing.</summary>
    public FetchScript Done()
    {
        Assert.True(Wait() == 0 && Error.Length == 0, $"exit code {Wait()}: {Error}");
        return this;
    }

    /// <summary>It failed with one line that has all of these words.</summary>
    public FetchScript Failed(int code, params string[] words)
    {
        Assert.True(Wait() == code, $"exit code {Wait()}, not {code}: {Error}{Output}");
        var line = Assert.Single(Error.TrimEnd('\n').Split('\n'));
        Assert.All(words, word => Assert.Contains(word, line));
        return this;
    }

    /// <summary>What Ctrl-C sends, to the script alone.</summary>
    public void PressCtrlC() => Assert.Equal(0, Kill(_process.Id, Interrupt));

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private static Task<string> Read(StreamReader stream) =>
        Task.Factory.StartNew(stream.ReadToEnd, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
