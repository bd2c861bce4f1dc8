using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>What every graph of one run shares: device, threads, cancel, and the count of runtime calls.</summary>
/// <param name="device">Execution provider of every session.</param>
/// <param name="threads">Threads within an operator; 0, and any number above the cores that the process may use: one per such core.</param>
/// <param name="cancel">Ends a run in the middle, inside the runtime too.</param>
/// <param name="memoryBudget">Bytes that the rows of one runtime call may take: as many interventions, cotangents or sequences
/// run side by side as fit, and of no result more than last digits depends on how many do.</param>
/// <param name="lanes">How many prompts of a dataset are worked at side by side, at most one per thread; the threads are shared out
/// among them. On a processor short prompts are quickest with a lane per thread: no thread waits for another.</param>
public sealed class RunContext(DeviceKind device = DeviceKind.Cpu, int threads = 0, CancellationToken cancel = default,
    long memoryBudget = RunContext.DefaultMemoryBudget, int lanes = 1)
{
    /// <summary>1 GiB, in bytes.</summary>
    public const long DefaultMemoryBudget = 1L << 30;

    private int _calls;
    private long _ticksInSessions;

    /// <summary>Where sessions run.</summary>
    public DeviceKind Device { get; } = device;

    /// <summary>How many prompts of a dataset are worked at side by side.</summary>
    public int Lanes { get; } = InAll(threads) / Each(threads, lanes);

    /// <summary>How many threads work within an operator, in each lane; in all at most one per core that the process may use.</summary>
    public int Threads { get; } = Each(threads, lanes);

    /// <summary>Ends what runs, with an <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Cancel { get; } = cancel;

    /// <summary>Bytes that the rows of one runtime call may take.</summary>
    public long MemoryBudget { get; } = memoryBudget;

    /// <summary>Room of edges, once where they are found, once where they are chosen and once where they are sorted: a quarter of the
    /// budget each. How many lie where changes no number.</summary>
    internal SpillRoom EdgeRoom { get; init; } = new(memoryBudget / 4);

    /// <summary>How many runtime calls were made so far: one per run of a session.</summary>
    public int Calls => _calls;

    /// <summary>Time spent making sessions (reading, optimising and packing weights), apart from runs.</summary>
    public TimeSpan SessionTime => Stopwatch.GetElapsedTime(0, _ticksInSessions);

    /// <summary>The version of the native library.</summary>
    internal static string RuntimeVersion => RuntimeEnvironment.Instance().GetVersionString();

    /// <summary>Cores that this process may use: its affinity and its share of the machine's time are heeded.</summary>
    internal static int UsableCores => Environment.ProcessorCount;

    // so many lanes at most, and no thread that is left over where that can be
    private static int Each(int threads, int lanes) => InAll(threads) is var all && Math.Clamp(lanes, 1, all) is var most
        ? (all + most - 1) / most : 1;

    private static int InAll(int threads) => threads > 0 ? Math.Min(threads, UsableCores) : UsableCores;

    internal void CountCall() => Interlocked.Increment(ref _calls);

    internal void CountSession(long ticks) => Interlocked.Add(ref _ticksInSessions, ticks);

    internal SessionOptions Options(string? weightsFolder, bool prepack)
    {
        var options = new SessionOptions
        {
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,   // errors come as exceptions, and would stand on stderr twice
        };
        if (weightsFolder is not null) options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", weightsFolder);
        if (!prepack) options.AddSessionConfigEntry("session.disable_prepacking", "1");
        if (RuntimeEnvironment.Require(Threads))
        {
            options.DisablePerSessionThreads();
        }
        else
        {
            // a context of fewer threads than the pool has
            options.IntraOpNumThreads = Threads;
            options.AddSessionConfigEntry("session.intra_op.allow_spinning", Threads > 2 ? "1" : "0");
        }
        if (Device == DeviceKind.Cuda) CudaProvider.Append(options);
        return options;
    }

    /// <summary>Peak resident memory of this process so far, in bytes; 0 where the system does not say.</summary>
    internal static long PeakMemory()
    {
        try
        {
            foreach (var line in File.ReadLines("/proc/self/status"))
            {
                if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                {
                    return long.Parse(line.AsSpan(6).Trim().ToString().Split(' ')[0]) * 1024;
                }
            }
        }
        catch (IOException)
        {
            // not Linux
        }
        return Process.GetCurrentProcess().PeakWorkingSet64;
    }
}
