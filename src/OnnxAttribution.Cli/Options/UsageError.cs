using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Cli.Options;

/// <summary>What is wrong with a command line, in one sentence that names the nearest right word.</summary>
internal static class UsageError
{
    public static string? Of(ParseResult parsed)
    {
        var result = parsed.CommandResult;
        if (Misread(result) is { } misread) return misread;
        if (parsed.Errors.Count == 0) return EmptyPath(parsed) is { } empty ? $"{empty}; {SeeHelp(result)}" : null;
        return Eaten(result) ?? Unmatched(parsed) ?? WithoutVerb(result) ?? FirstError(parsed);
    }

    // a misspelt option would be taken for an argument; SQL that begins with a comment has a space in it
    private static string? Misread(CommandResult result)
    {
        var misread = result.Children.OfType<ArgumentResult>().SelectMany(a => a.Tokens)
            .FirstOrDefault(t => t.Value.StartsWith("--", StringComparison.Ordinal) && !t.Value.Any(char.IsWhiteSpace));
        return misread is null ? null : UnknownOption(misread.Value, Verb(result), OptionNames(result));
    }

    // the next option was taken for the value of the one before
    private static string? Eaten(CommandResult result)
    {
        var names = OptionNames(result).ToHashSet();
        return result.Children.OfType<OptionResult>().FirstOrDefault(o => o.Tokens.Any(t => names.Contains(t.Value))) is { } eaten
            ? $"{eaten.Option.Name} is given without a value, unless it is to be '{eaten.Tokens[0].Value}'; "
                + $"write it behind the option; {SeeHelp(result)}"
            : null;
    }

    private static string? Unmatched(ParseResult parsed)
    {
        if (parsed.UnmatchedTokens.Count == 0) return null;
        var (result, unknown) = (parsed.CommandResult, parsed.UnmatchedTokens[0]);
        var verb = result.Command is RootCommand ? null : Verb(result);
        return unknown.StartsWith('-') ? UnknownOption(unknown, verb, OptionNames(result))
            : result.Command.Subcommands.Count > 0 ? UnknownVerb(verb, unknown, [.. Names(result.Command)])
            : $"{Verb(result)} has no use for '{unknown}'; put quotes around a text with spaces, and {SeeHelp(result)}";
    }

    private static string? WithoutVerb(CommandResult result) =>
        result.Command is RootCommand
            ? $"which verb? Give one of {string.Join(", ", Names(result.Command))}; see 'onnx-attribution --help'"
            : result.Command.Subcommands.Count > 0
                ? $"{Verb(result)} what? Give one of {string.Join(", ", Names(result.Command))}; {SeeHelp(result)}"
                : null;

    private static string FirstError(ParseResult parsed)
    {
        var (result, error) = (parsed.CommandResult, parsed.Errors[0]);
        return result.Command.Arguments.FirstOrDefault(a => parsed.GetResult(a) is not { Tokens.Count: > 0 }) is { } missing
            && error.Message.StartsWith("Required argument", StringComparison.Ordinal)
                ? $"{missing.Name} is missing: {missing.Description}; {SeeHelp(result)}"
                : $"{Sentence(error)}; {SeeHelp(result)}";
    }

    private static string SeeHelp(CommandResult result) => $"see 'onnx-attribution {Verb(result)} --help'";

    /// <summary>A path without a character, which a shell makes of a variable that is not set.</summary>
    internal static string? EmptyPath(ParseResult parsed)
    {
        foreach (var child in parsed.CommandResult.Children)
        {
            var (name, wanted) = child switch
            {
                OptionResult { Option: { HelpName: "DIR" or "FILE" or "PATH" or "RUN" } option } => (option.Name, option.HelpName),
                ArgumentResult { Argument.Name: "RUN" } argument => (argument.Argument.Name, argument.Argument.Name),
                _ => (null, null),
            };
            if (name is null || !child.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value))) continue;
            return $"{name} is empty; give it "
                + $"{wanted switch { "FILE" => "a file", "PATH" => "a path", "RUN" => "a run directory", _ => "a directory" }}";
        }
        return null;
    }

    private static IEnumerable<string> Names(Command command) => command.Subcommands.Where(c => !c.Hidden).Select(c => c.Name);

    /// <summary>As it is written: <c>graph</c>, or <c>sae check</c>.</summary>
    private static string Verb(CommandResult command) => command.Parent is CommandResult { Command: not RootCommand } parent
        ? $"{Verb(parent)} {command.Command.Name}"
        : command.Command.Name;

    private static string UnknownVerb(string? parent, string verb, string[] verbs) =>
        $"{(parent is null ? "there is no verb" : parent + " has no")} '{verb}'. "
        + $"Did you mean '{SpellCheck.Among(verbs, verb)}'? {(parent is null ? "The verbs are" : "It has")} {string.Join(", ", verbs)}";

    private static string UnknownOption(string option, string? verb, IEnumerable<string> names) =>
        $"{(verb is null ? "there is" : verb + " has")} no option '{option.Split('=')[0]}'. Did you mean "
        + $"'{SpellCheck.Among(names, option.Split('=')[0])}'? See 'onnx-attribution {(verb is null ? "" : verb + " ")}--help'";

    /// <summary>The options that the verb has, those of all verbs among them.</summary>
    public static IEnumerable<string> OptionNames(CommandResult command)
    {
        foreach (var option in command.Command.Options) yield return option.Name;
        for (var parent = command.Parent as CommandResult; parent is not null; parent = parent.Parent as CommandResult)
        {
            foreach (var option in parent.Command.Options.Where(o => o.Recursive)) yield return option.Name;
        }
    }

    /// <summary>What the parser says of an option given twice or without its value, in our words.</summary>
    private static string Words(string message)
    {
        var name = message.Split('\'') is [_, var option, _] && option.StartsWith('-') ? option : null;
        return name is null ? message.TrimEnd('.')
            : message.Contains("expects a single argument") ? $"{name} is given more than once; give it once"
            : message.StartsWith("Required argument missing", StringComparison.Ordinal)
                ? $"{name} is given without a value; write it behind the option"
            : message.TrimEnd('.');
    }

    /// <summary>What is wrong with one option, in our words.</summary>
    internal static string Sentence(ParseError error)
    {
        var isRefusal = error.Message.StartsWith("Cannot parse", StringComparison.Ordinal)
            || error.Message.StartsWith("Argument '", StringComparison.Ordinal);
        if (isRefusal && error.SymbolResult is ArgumentResult { Tokens: [var word, ..], Argument: { HelpName: { } words } argument })
        {
            return $"{argument.Name} cannot be '{word.Value}'; it takes {words}";
        }
        if (error.SymbolResult is not OptionResult { Tokens: [var given, ..], Option: var option } || !isRefusal)
        {
            return Words(error.Message);
        }
        var wanted = option.ValueType == typeof(int) || option.ValueType == typeof(int?)
            ? "a whole number"
            : option.HelpName ?? "another value";
        return $"{option.Name} cannot be '{given.Value}'; it takes {wanted}";
    }
}
