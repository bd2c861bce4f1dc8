using System.CommandLine.Invocation;
using System.CommandLine;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using RuntimeEnvironment = OnnxAttribution.Runtime.RuntimeEnvironment;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>--version</c> prints: the program, and what it runs on.</summary>
internal sealed class VersionReport : SynchronousCommandLineAction
{
    /// <summary>As git's tags say it, with the commit behind a plus sign.</summary>
    public static string OfProgram { get; } =
        typeof(VersionReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public override int Invoke(ParseResult parseResult)
    {
        var output = parseResult.InvocationConfiguration.Output;
        var compiled = RuntimeFeature.IsDynamicCodeCompiled ? "" : ", compiled ahead of time";
        output.WriteLine($"onnx-attribution {OfProgram}");
        output.WriteLine($".NET {Environment.Version} on {RuntimeInformation.RuntimeIdentifier}{compiled}");
        output.WriteLine(RuntimeWords());
        output.WriteLine($"DuckDB {DuckDbDatabase.Version}");
        return ExitCodes.Done;
    }

    // a library that is missing is what this may have been asked for
    private static string RuntimeWords()
    {
        try
        {
            return $"ONNX Runtime {RuntimeEnvironment.Version} with {string.Join(", ", RuntimeEnvironment.Providers)}";
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            return $"ONNX Runtime: {FailureLine.Of(e.InnerException ?? e, "it")}";
        }
    }
}
