using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace OnnxAttribution.Cli.Options;

/// <summary>Limits of options. What is no number at all is refused elsewhere, so a limit reads the word and not the value.</summary>
internal static class OptionLimits
{
    private static readonly string[] s_fileEndings =
        [".html", ".htm", ".svg", ".png", ".jpg", ".jpeg", ".pdf", ".dot", ".gv", ".json", ".graphml", ".parquet", ".csv", ".txt"];

    public static void AtLeast<T>(this Option<T> option, int least) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value < least)
        {
            result.AddError($"{option.Name} {value} is too little; it takes a whole number from {least}");
        }
    });

    public static void AtMost<T>(this Option<T> option, int most) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && int.TryParse(text, CultureInfo.InvariantCulture, out var value) && value > most)
        {
            result.AddError($"{option.Name} {value} is too much; it takes a whole number up to {most}");
        }
    });

    /// <summary>Refuses --foil where --metric has no use for it: what is asked for is never passed over in silence.</summary>
    public static void FoilNeedsLogitDiff(CommandResult result, Option foil, Option metric)
    {
        if (result.GetResult(foil) is { Implicit: false } && result.GetResult(metric)?.Tokens is not [{ Value: "logit-diff" }, ..])
        {
            result.AddError($"{foil.Name} goes with {metric.Name} logit-diff");
        }
    }

    /// <summary>Refuses, for a run directory, the name of a file:
    /// whoever writes <c>--out x.png</c> wants a picture and would get a directory.</summary>
    public static void NamesDirectory(CommandResult result, Option option)
    {
        if (result.GetResult(option) is not { Tokens: [{ Value: var path }, ..] } || Directory.Exists(path)
            || !s_fileEndings.Contains(Path.GetExtension(path).ToLowerInvariant()))
        {
            return;
        }
        var run = Path.ChangeExtension(path, null);
        result.AddError($"{option.Name} {path} is named as a file, and a run is a directory; give --out {run}, "
            + $"then 'onnx-attribution view {run} --out FILE' draws it as {string.Join(", ", View.Formats.Drawing.Formats)}");
    }

    /// <summary>Refuses a list without an item, which a shell makes of a variable that is not set.</summary>
    public static void NotEmpty<T>(this Option<T> option, string wanted) => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }, ..] && text.All(c => c == ',' || char.IsWhiteSpace(c)))
        {
            result.AddError($"{option.Name} is empty; give it {wanted}");
        }
    });
}
