using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OnnxAttribution.Cli;

/// <summary>Limits of options. What is no number at all is refused elsewhere, so a limit reads the word and not the value.</summary>
internal static class OptionLimits
{
    public static void AtLeast<T>(this Option<T> option, int least) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value < least)
            result.AddError($"{option.Name} {value} is too little; it takes a whole number from {least}");
    });

    public static void AtMost<T>(this Option<T> option, int most) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value > most)
            result.AddError($"{option.Name} {value} is too much; it takes a whole number up to {most}");
    });

    /// <summary>Refuses --foil where --metric has no use for it: what is asked for is never passed over in silence.</summary>
    public static void FoilNeedsLogitDiff(CommandResult result, Option foil, Option metric)
    {
        if (result.GetResult(foil) is { Implicit: false } && result.GetResult(metric)?.Tokens is not [{ Value: "logit-diff" }, ..]) result.AddError($"{foil.Name} goes with {metric.Name} logit-diff");
    }

    /// <summary>Refuses a list without an item, which a shell makes of a variable that is not set.</summary>
    public static void NotEmpty<T>(this Option<T> option, string wanted) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && text.All(c => c == ',' || char.IsWhiteSpace(c))) result.AddError($"{option.Name} is empty; give it {wanted}");
    });
}
