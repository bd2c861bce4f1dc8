using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that say where results go, and in which form.</summary>
internal static class OutputOptions
{
    /// <summary><c>--force</c>.</summary>
    /// <param name="what">May be there and is replaced.</param>
    public static Option<bool> Force(string what) => new("--force") { Description = $"replace {what} there" };

    /// <summary><c>--out</c>, where the result is a directory.</summary>
    /// <param name="what">It is.</param>
    public static Option<string> Directory(string what) => new("--out") { Description = what, HelpName = "DIR", Required = true };

    public static Option<bool> Json() => new("--json") { Description = "print one JSON object" };

    public static Option<bool> NoPage() => new("--no-page") { Description = "write no graph.html into the run" };
}
