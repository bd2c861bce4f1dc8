using System.CommandLine;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Comparison;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>compare</c>: two finished runs side by side.</summary>
internal sealed class CompareCommand
{
    private const string Description = """
        Put two runs side by side: other prompts, thresholds, estimators, or models with the same dictionaries. Says which nodes and
        edges are in both graphs, in one, or have opposite signs. 'view RUN_A RUN_B --out diff.html' draws it.

        Example: onnx-attribution compare runs/copyright runs/relp --out runs/compared
        """;

    private readonly Argument<string> _runA = new("RUN_A") { Description = "a run directory" };
    private readonly Argument<string> _runB = new("RUN_B") { Description = "the other" };
    private readonly Option<string> _align = AlignmentOption.Create();
    private readonly Option<int> _top = NumberOptions.Whole("--top", "show so many nodes and edges, the strongest", 12, least: 1);
    private readonly Option<string?> _out = new("--out")
    {
        Description = "a directory for comparison.json, compared_nodes.parquet and compared_edges.parquet, with all nodes and edges",
        HelpName = "DIR"
    };
    private readonly Option<bool> _force = OutputOptions.Force("a comparison that is");
    private readonly Option<bool> _json = OutputOptions.Json();

    private CompareCommand()
    {
    }

    public static Command Create() => new CompareCommand().Made();

    private Command Made()
    {
        var command = new Command("compare", Description) { _runA, _runB, _align, _top, _out, _force, _json };
        command.Checks(result =>
        {
            OptionLimits.NamesDirectory(result, _out);
            if (result.IsGiven(_force) && !result.IsGiven(_out)) result.AddError("--force goes with --out");
        });
        command.Runs(Run);
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var (place, force, top) = (parsed.GetValue(_out), parsed.GetValue(_force), parsed.GetValue(_top));
        if (place is not null) ComparisonDirectory.CheckFree(place, force);
        RunComparison comparison;
        using (var progress = new ProgressLine(parsed.InvocationConfiguration.Error))
        {
            progress.Report("comparing");
            comparison = RunComparison.Read(parsed.GetRequiredValue(_runA), parsed.GetRequiredValue(_runB),
                AlignmentOption.Of(parsed.GetRequiredValue(_align)), cancel);
            if (place is not null) ComparisonDirectory.Write(place, force, comparison, cancel);
        }
        var output = parsed.InvocationConfiguration.Output;
        if (parsed.GetValue(_json)) Screen.WriteJson(output, Json(comparison, top, place));
        else new ComparisonReport(comparison, top).Print(output, place);
        return ExitCodes.Done;
    }

    private static System.Text.Json.Nodes.JsonObject Json(RunComparison comparison, int top, string? place)
    {
        var json = ComparisonJson.Of(comparison, top);
        json["out"] = place;
        return json;
    }
}
