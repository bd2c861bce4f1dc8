using System.CommandLine;
using System.Globalization;

namespace OnnxAttribution.Cli;

/// <summary>Limits of options that take whole numbers. What is no number at all is refused elsewhere, so a limit reads the word and not the value.</summary>
internal static class OptionLimits
{
    public static void AtLeast<T>(this Option<T> option, int least) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value < least)
            result.AddError($"{option.Name} {value} is too little; it takes a whole number from {least}");
    });
}
