using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>ONNX Runtime got no memory, threads or files of the system: nothing that is wrong with the graph.
/// The message says what to raise.</summary>
internal sealed class RuntimeShortage : OnnxAttributionException
{
    private static readonly string[] s_threads = ["pthread_create", "PosixThread"], s_files = ["Too many open files"],
        s_memory = ["Failed to allocate memory", "bad_alloc", "Cannot allocate memory", "out of memory", "cudaErrorMemoryAllocation"];

    private RuntimeShortage(string message, Setting? setting, Exception why) : base(message, why) =>
        Settings = setting is { } s ? [s] : [];

    /// <summary>Does what makes or runs a session.</summary>
    /// <exception cref="RuntimeShortage">Something is short.</exception>
    public static T Told<T>(Func<T> step)
    {
        try
        {
            return step();
        }
        catch (OnnxRuntimeException e) when (Of(e.Message) is { } shortage)
        {
            throw new RuntimeShortage(shortage.Words, shortage.Setting, e);
        }
    }

    /// <summary>What is short, and what to do; null where nothing is.</summary>
    internal static (string Words, Setting? Setting)? Of(string message) =>
        Has(message, s_threads) ? ("ONNX Runtime cannot start its threads: address space or processes are short; "
            + "raise 'ulimit -v' and 'ulimit -u', or take fewer threads", Setting.Threads)
        : Has(message, s_files) ? ($"ONNX Runtime cannot open a file: too many are open; {FileFault.DescriptorFix}", null)
        : Has(message, s_memory)
            ? ("ONNX Runtime got no memory for the graph; take a smaller memory budget, fewer sites or a shorter text, "
                + $"or {FileFault.MemoryFix}", Setting.Memory)
        : null;

    private static bool Has(string message, string[] words) => words.Any(w => message.Contains(w, StringComparison.OrdinalIgnoreCase));
}
