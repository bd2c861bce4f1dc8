using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace OnnxAttribution.Runtime;

/// <summary>ONNX Runtime's one environment in this process, as this library makes it:
/// without telemetry, and with one pool of threads for all sessions.</summary>
/// <remarks>Official builds for Linux and macOS write a device id and an event database into the home folder, a log into the temporary
/// folder, and look up a collector's name, unless ORT_DISABLE_TELEMETRY=1 is in the environment that native code sees when the environment
/// is made: so it is put there when this assembly is loaded. Whoever sets that variable themselves is obeyed.</remarks>
internal static partial class RuntimeEnvironment
{
    internal const string TelemetryVariable = "ORT_DISABLE_TELEMETRY";

    private static readonly Lock s_lock = new();
    private static int? s_pool;   // threads of the pool; 0: somebody else made the environment, and it has none

    /// <summary>The environment; made with a pool of this many threads if there is none yet.</summary>
    /// <returns>Whether sessions of that many threads may share the pool: it has as many.</returns>
    public static bool Require(int threads)
    {
        lock (s_lock) return (s_pool ??= Make(threads)) == threads;
    }

    /// <summary>The native library's own.</summary>
    public static string Version => Instance().GetVersionString();

    /// <summary>The execution providers that the native library was built with, such as <c>CPUExecutionProvider</c>;
    /// whether a device is there is known once a session is made.</summary>
    public static IReadOnlyList<string> Providers => Instance().GetAvailableProviders();

    /// <summary>The environment, whichever there is.</summary>
    public static OrtEnv Instance()
    {
        Require(Environment.ProcessorCount);
        return OrtEnv.Instance();
    }

    // CA2255: only so is telemetry off for whoever uses this library, before any of its types loads the native one
#pragma warning disable CA2255
    [ModuleInitializer]
    internal static void DisableTelemetry()
    {
        // .NET keeps a copy of the environment: native code does not see what SetEnvironmentVariable sets
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()) _ = SetNativeVariable(TelemetryVariable, "1", overwrite: 0);
    }
#pragma warning restore CA2255

    private static int Make(int threads)
    {
        if (OrtEnv.IsCreated) return 0;
        using var pool = new OrtThreadingOptions
        {
            GlobalIntraOpNumThreads = threads,
            GlobalInterOpNumThreads = 1,
            GlobalSpinControl = threads > 2,   // threads that spin between operators slow down everything else on a small machine
        };
        var options = new EnvironmentCreationOptions
        {
            logId = "onnx-attribution",
            logLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            threadOptions = pool
        };
        var environment = RuntimeShortage.Told(() => OrtEnv.CreateInstanceWithOptions(ref options));
        if (OperatingSystem.IsWindows() && Environment.GetEnvironmentVariable(TelemetryVariable) is null)
        {
            environment.DisableTelemetryEvents();
        }
        return threads;
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeVariable(string name, string value, int overwrite);
}
