using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that take one of a few words, the first where none is given.</summary>
internal static class ChoiceOptions
{
    public static Option<string> OneOf(string name, string description, params string[] values)
    {
        var option = new Option<string>(name)
        {
            Description = description,
            HelpName = string.Join('|', values),
            DefaultValueFactory = _ => values[0]
        };
        option.AcceptOnlyFromAmong(values);
        return option;
    }
}
