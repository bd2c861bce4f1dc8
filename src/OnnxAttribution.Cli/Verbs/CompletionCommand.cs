using System.CommandLine;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>completion</c>: the script that makes a shell complete verbs, options and their values.</summary>
/// <remarks>The scripts ask the program itself (<see cref="Suggestions"/>).</remarks>
internal static class CompletionCommand
{
    private static readonly string[] s_shells = ["bash", "zsh", "fish", "pwsh"];

    private const string Description = """
        Print a script that makes your shell complete verbs, options and their values.

        Example: eval "$(onnx-attribution completion bash)"
                 onnx-attribution completion pwsh | Out-String | Invoke-Expression
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = string.Join('|', s_shells), HelpName = string.Join('|', s_shells) };
        shell.AcceptOnlyFromAmong(s_shells);
        var command = new Command("completion", Description) { shell };
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.Write(Script(parsed.GetRequiredValue(shell)));
            return ExitCodes.Done;
        });
        return command;
    }

    private static string Script(string shell)
    {
        using var script = new StreamReader(typeof(CompletionCommand).Assembly.GetManifestResourceStream($"completion.{shell}")!);
        return script.ReadToEnd();
    }
}
