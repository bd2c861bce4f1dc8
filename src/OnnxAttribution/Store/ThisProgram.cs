using System.Reflection;

namespace OnnxAttribution.Store;

/// <summary>What files say that they were made by.</summary>
internal static class ThisProgram
{
    public const string Name = "onnx-attribution";

    /// <summary>As git's tags say it, with the commit behind a plus sign.</summary>
    public static string Version { get; } =
        typeof(ThisProgram).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
