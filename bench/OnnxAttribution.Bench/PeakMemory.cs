using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>The most memory that one part of the process had resident, whatever the parts before it took.</summary>
internal static class PeakMemory
{
    /// <summary>From here on the peak is counted anew, where the system can do so: Linux; elsewhere it stays the process's.</summary>
    public static void Begin()
    {
        GC.Collect();
        const string peaks = "/proc/self/clear_refs", reset = "5";
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            File.WriteAllText(peaks, reset);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // a kernel without it: the peak stays the process's
        }
    }

    /// <summary>Bytes since <see cref="Begin"/>.</summary>
    public static long Bytes() => RunContext.PeakMemory();
}
