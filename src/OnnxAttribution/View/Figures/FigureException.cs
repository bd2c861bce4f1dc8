using OnnxAttribution.Files;

namespace OnnxAttribution.View.Figures;

/// <summary>A figure that cannot be drawn. The message is one sentence that says why, and the fix.</summary>
internal sealed class FigureException : OnnxAttributionException
{
    private FigureException(string message) : base(message)
    {
    }

    public static FigureException Unknown(string name) =>
        new($"there is no figure '{name}'; it is one of {string.Join(", ", FigureFile.Names)}");

    public static FigureException NoRows(string file, string what) => new($"{file} holds no {what}, so there is nothing to draw");

    public static FigureException NoColumn(string file, string column, NextStep maker) =>
        new($"{file} has no column '{column}', so it is no table of that kind; to make one, {maker.Words}") { Next = maker };

    public static FigureException NotCompared(string run) =>
        new($"{run} was not validated against other estimators, so there is no cost and recall to draw; compare some: "
            + $"{new NextStep(StepKind.Validate, run).Words}")
        {
            Next = new NextStep(StepKind.Validate, run),
        };

    public static FigureException FileOfNoRun(string file) =>
        new($"{file} is a file and no run directory; draw the response curve in it as the figure 'curve', or name a run directory")
        {
            Settings = [Setting.Figure]
        };

    internal static FigureException UnknownFormat(string file, IReadOnlyList<string> formats) =>
        new($"{file} would be a {Path.GetExtension(file)} file, and none is written; "
            + $"name a file that ends in {string.Join(", ", formats.SkipLast(1).Select(f => "." + f))} or .{formats[^1]}");
}
