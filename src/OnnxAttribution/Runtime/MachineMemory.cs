using System.Globalization;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>How much memory this process may have at most: the machine's, or less where its control group or .NET was given less.
/// </summary>
internal static class MachineMemory
{
    private const string HeapLimit = "DOTNET_GCHeapHardLimit";

    /// <summary>Bytes.</summary>
    public static long Bytes()
    {
        var limits = OperatingSystem.IsLinux() ? Of("/") : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return Environment.GetEnvironmentVariable(HeapLimit) is { } text && long.TryParse(
            text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? text[2..] : text, NumberStyles.AllowHexSpecifier,
            CultureInfo.InvariantCulture, out var heap) && heap > 0 ? Math.Min(limits, heap) : limits;
    }

    /// <summary>The same by what Linux says, before .NET's own limit.</summary>
    /// <param name="root">Where <c>proc</c> and <c>sys</c> are.</param>
    internal static long Of(string root)
    {
        var least = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        foreach (var line in Lines(Path.Combine(root, "proc/meminfo")))
        {
            if (!line.StartsWith("MemTotal:", StringComparison.Ordinal)) continue;
            if (Number(line[9..].Replace("kB", "", StringComparison.Ordinal)) is { } kilobytes) least = kilobytes << 10;
        }
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            if (line.Split(':', 3) is not [_, var controllers, var path]) continue;
            var (top, name) = controllers.Length == 0 ? ("sys/fs/cgroup", "memory.max")
                : controllers.Split(',').Contains("memory") ? ("sys/fs/cgroup/memory", "memory.limit_in_bytes") : ("", "");
            if (name.Length > 0) least = Math.Min(least, InGroups(Path.Combine(root, top), path, name));
        }
        return least;
    }

    // a group has no more than any that it is in; of a container only the top may be seen
    private static long InGroups(string top, string path, string name)
    {
        var least = long.MaxValue;
        for (var group = path.Trim('/'); ; group = Path.GetDirectoryName(group) ?? "")
        {
            foreach (var line in Lines(Path.Combine(top, group, name)))
            {
                if (Number(line) is { } limit) least = Math.Min(least, limit);
            }
            if (group.Length == 0) return least;
        }
    }

    // 'max' is none
    private static long? Number(string text) =>
        long.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.Exists(file) ? RegularFile.ReadAllText(file).Split('\n') : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
