using System.CommandLine;
using System.CommandLine.Parsing;

namespace OnnxAttribution.Cli.Options;

/// <summary>How a verb is told what to do, and what it was asked.</summary>
internal static class VerbAction
{
    /// <param name="run">To an exit code; on a thread of its own, so that a signal finds the program listening.</param>
    public static void Runs(this Command command, Func<ParseResult, CancellationToken, int> run) =>
        command.SetAction((parsed, cancel) => Task.Run(() => run(parsed, cancel), CancellationToken.None));

    /// <summary>Adds a check of the options together. Where one of them has no value, or more than it takes,
    /// the parser says that itself, and its value cannot be asked for.</summary>
    public static void Checks(this Command command, Action<CommandResult> check) => command.Validators.Add(result =>
    {
        if (result.Children.OfType<OptionResult>().All(IsWhole)) check(result);
    });

    private static bool IsWhole(OptionResult option) => option.Implicit || (option.Tokens.Count is var given
        && given >= option.Option.Arity.MinimumNumberOfValues && given <= option.Option.Arity.MaximumNumberOfValues);

    /// <summary>Whether the option stands on the command line, so that its value is no default.</summary>
    public static bool IsGiven(this SymbolResult result, Option option) => result.GetResult(option) is { Implicit: false };

    /// <summary>The command line as a shell would take it.</summary>
    public static string WrittenOut(this ParseResult parsed) =>
        string.Join(' ', parsed.Tokens.Select(t => Quoted(t.Value)).Prepend("onnx-attribution"));

    /// <summary>A word as a shell would take it.</summary>
    public static string Quoted(string word) =>
        word.Length > 0 && word.All(c => char.IsLetterOrDigit(c) || "-_./,=:+".Contains(c)) ? word : $"'{word.Replace("'", "'\\''")}'";
}
