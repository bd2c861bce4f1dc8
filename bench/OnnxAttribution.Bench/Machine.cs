using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>The processor that figures belong to.</summary>
/// <param name="Cores">That the process may use.</param>
/// <param name="System">Such as <c>linux-x64</c>.</param>
internal sealed partial record Machine(string Cpu, int Cores, string System)
{
    /// <summary>Such as <c>amd-epyc-9b14-2-cores</c>: the folder of its files.</summary>
    public string Slug() => $"{NotInNames().Replace(Marks().Replace(Cpu.ToLowerInvariant(), " "), "-").Trim('-')}-{Cores}-cores";

    public static Machine This() => new(CpuName(), RunContext.UsableCores, RuntimeInformation.RuntimeIdentifier);

    private static string CpuName()
    {
        const string info = "/proc/cpuinfo";
        var lines = File.Exists(info) ? File.ReadLines(info) : [];
        var line = lines.FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal));
        return line?.Split(':', 2)[1].Trim() ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    // what makers add to a processor's name without naming it
    [GeneratedRegex(@"\((r|tm)\)|\b(processor|cpu|with .*)\b|@.*|\d+-core\b")]
    private static partial Regex Marks();

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotInNames();
}
