using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.View.Figures;
using OnnxAttribution.View.Formats;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>Which options of <c>view</c> go together.</summary>
internal sealed partial class ViewCommand
{
    // what is asked for is never passed over in silence
    private void Validate(CommandResult result)
    {
        string format;
        try
        {
            format = Format(result);
            ValidateEnding(result, format);
        }
        catch (FigureException e)
        {
            result.AddError($"--out: {e.Message}");
            return;
        }
        ValidatePair(result, format);
        var (isFigure, isStill) = (result.IsGiven(_figure), Drawing.StillFormats.Contains(format));
        if (result.IsGiven(_live) && (IsStill(result) || format != "html"))
        {
            result.AddError("--live is about the page; leave --format, --figure and --boxes out");
        }
        if (IsStill(result) && !isStill)
        {
            var what = isFigure ? _figure.Name : _boxes.Name;
            result.AddError($"{what} is drawn as {string.Join(", ", Drawing.StillFormats)}, not as {format}");
        }
        if (isFigure && ((Option[])[_nodes, _edges, _component, _boxes]).FirstOrDefault(result.IsGiven) is { } limit)
        {
            result.AddError($"{limit.Name} is about the graph and --figure is not; give one of them");
        }
        ValidateParts(result, format);
    }

    // options that only some formats have
    private void ValidateParts(CommandResult result, string format)
    {
        var (isFigure, isStill) = (result.IsGiven(_figure), Drawing.StillFormats.Contains(format));
        if (result.IsGiven(_contexts) && !result.IsGiven(_boxes)) result.AddError("--contexts goes with --boxes");
        if (!isStill && !IsStill(result) && ((Option[])[_theme, _palette]).FirstOrDefault(result.IsGiven) is { } colours)
        {
            result.AddError($"{colours.Name} goes with --format svg, png or pdf, or --figure; a page has a button for it");
        }
        if (result.IsGiven(_model) && (isFigure || !(isStill || format is "html" or "json")))
        {
            result.AddError("--model goes with a page, a still picture or --format json; no other shows what features stand for");
        }
        if (result.IsGiven(_subgraph) && (IsStill(result) || format is not ("html" or "json")))
        {
            result.AddError("--subgraph goes with a page or --format json; no other picture has pins");
        }
        if (result.IsGiven(_slug) && (isFigure || format != "json")) result.AddError("--slug goes with --format json");
        if (result.GetResult(_slug) is { Tokens: [var slug, ..] } && !IsSlug(slug.Value))
        {
            result.AddError($"--slug '{slug.Value}' is no name of small letters, digits and hyphens, of 100 at most");
        }
    }

    private void ValidatePair(CommandResult result, string format)
    {
        var isPair = result.GetResult(_runs) is { Tokens.Count: 2 };
        if (!isPair && result.IsGiven(_align)) result.AddError("--align is about two runs; name another, or leave it out");
        if (!isPair) return;
        if (!result.IsGiven(_file)) result.AddError("two runs are compared on a page of their own: give --out FILE, such as diff.html");
        if (result.IsGiven(_subgraph)) result.AddError("--subgraph is of one run; name one");
        if (result.IsGiven(_live)) result.AddError("--live runs the model for one run; name one");
        if (IsStill(result) || format != "html") result.AddError("two runs are compared as a page only; draw each alone in other formats");
    }

    private bool IsStill(CommandResult result) => result.IsGiven(_figure) || result.IsGiven(_boxes);

    private static bool IsSlug(string name) =>
        name.Length is > 0 and <= 100 && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    /// <exception cref="FigureException">The file's ending is of no format.</exception>
    private void ValidateEnding(CommandResult result, string format)
    {
        if (result.GetResult(_file) is { Tokens: [var name, ..] } && Drawing.FormatOf(name.Value) is { } ending && ending != format)
        {
            result.AddError($"{name.Value} is named as {ending} and would hold {format}; "
                + $"name it otherwise, or give --format {ending}");
        }
    }
}
