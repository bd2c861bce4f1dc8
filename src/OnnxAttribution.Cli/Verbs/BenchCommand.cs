using System.CommandLine;
using OnnxAttribution.Cli.Options;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The former verb <c>bench</c>, for one version: says that a project of its own times the program now.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var command = new Command("bench") { Hidden = true, TreatUnmatchedTokensAsErrors = false };
        command.SetAction((Action<ParseResult>)Refuse);
        return command;
    }

    private static void Refuse(ParseResult parsed) => throw new UsageException(
        "bench is no verb any more; 'make bench' in a checkout of the repository times the program, see benchmarks/README.md there");
}
