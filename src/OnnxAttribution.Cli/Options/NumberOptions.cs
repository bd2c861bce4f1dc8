using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that take a finite number, written with a point whatever the machine's language.</summary>
internal static class NumberOptions
{
    /// <summary>A whole number.</summary>
    /// <param name="value">Where the option is not given.</param>
    /// <param name="least">What is less is refused.</param>
    public static Option<int> Whole(string name, string description, int value, int least)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => value };
        option.AtLeast(least);
        return option;
    }

    /// <summary>A whole number from 1, or the word <c>off</c>, which is 0; null where it is not given.</summary>
    public static Option<int?> WholeOrOff(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "N|off",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (text == "off") return 0;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n >= 1) return n;
            result.AddError($"{name} cannot be '{text}'; it takes a whole number from 1, or off");
            return null;
        },
    };

    /// <summary>What keeps a node or an edge: a number from 0; null where it is not given.</summary>
    /// <param name="example">For the message that refuses.</param>
    public static Option<float?> Threshold(string name, string description, string example) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => Parsed(result, name, $"a number from 0, such as {example}", least: 0),
    };

    /// <summary>A share, from 0 to 1; null where it is not given.</summary>
    /// <param name="example">For the message that refuses.</param>
    public static Option<float?> Share(string name, string description, string example) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => Parsed(result, name, $"a share from 0 to 1, such as {example}", least: 0, most: 1),
    };

    /// <summary><c>--coefficient</c>, one for all modes of <c>ablate</c> that take it.</summary>
    public static Option<float> Coefficient() => new("--coefficient")
    {
        Description = "what activations are multiplied by: 0 takes them away, 1 changes nothing",
        HelpName = "X",
        DefaultValueFactory = _ => 0,
        CustomParser = result => Parsed(result, "--coefficient", "a number, such as 0 or 0.5", float.MinValue) ?? 0,
    };

    private static float? Parsed(ArgumentResult result, string name, string wanted, float least, float most = float.MaxValue)
    {
        var text = result.Tokens[0].Value;
        if (float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var x) && x >= least && x <= most) return x;
        result.AddError($"{name} cannot be '{text}'; it takes {wanted}");
        return null;
    }
}
