using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>What <c>features</c> does about labels: it imports them, writes what a language model makes them of, and scores them.</summary>
internal sealed class FeatureLabelModes
{
    private readonly Option<string[]> _import = new("--import-labels")
    {
        Description = "bring labels into the bundle, plain or gzip: Neuronpedia's explanations (batch-N.jsonl.gz), JSON lines with site, "
            + "feature and label, or circuit-tracer's JSON; may be given several times",
        HelpName = "FILE",
        AllowMultipleArgumentsPerToken = true
    };
    private readonly Option<int?> _pack = new("--explain-pack")
    {
        Description = "write a JSON line per feature for a language model to explain it by, with so many contexts and others held out",
        HelpName = "N"
    };
    private readonly Option<string?> _score = new("--score-labels")
    {
        Description = "bring in labels with a language model's predictions for the held-out contexts, and correlate these with the truth",
        HelpName = "FILE"
    };
    private readonly Option<string?> _out;

    /// <param name="output">The file to write.</param>
    public FeatureLabelModes(Option<string?> output)
    {
        _out = output;
        _pack.AtLeast(1);
        _pack.AtMost(100);
    }

    public Option Pack => _pack;

    /// <summary>The options that each ask for one of these things.</summary>
    public IReadOnlyList<Option> Modes => [_import, _pack, _score];

    public bool IsAsked(ParseResult parsed) => Modes.Any(parsed.CommandResult.IsGiven);

    /// <param name="mode">The one that is asked for.</param>
    public void Validate(CommandResult result, Option mode)
    {
        if (mode == _pack && !result.IsGiven(_out)) result.AddError("--explain-pack writes a file; give --out FILE");
    }

    public void Run(ParseResult parsed, string model, string[]? sites, Option<bool> json, CancellationToken cancel)
    {
        var output = parsed.InvocationConfiguration.Output;
        var (lines, facts) = parsed.GetValue(_import) is { Length: > 0 } files ? Import(model, files, cancel)
            : parsed.GetValue(_pack) is { } shown ? Explain(model, sites, shown, parsed.GetRequiredValue(_out)!, cancel)
            : Score(model, parsed.GetRequiredValue(_score)!, cancel);
        if (parsed.GetValue(json)) Screen.WriteJson(output, facts);
        else output.WriteLine(lines);
    }

    private static (string, JsonObject) Import(string model, string[] files, CancellationToken cancel)
    {
        var summary = LabelImport.Run(model, files, cancel);
        var replaced = summary.Replaced == 0 ? "" : $", {summary.Replaced:N0} in place of another";
        return ($"imported {Screen.Count(summary.Imported, "label")} at {Screen.Count(summary.Sites.Count, "site")}{replaced}; "
            + $"{model} has {summary.All:N0} now", new JsonObject
            {
                ["imported"] = summary.Imported,
                ["replaced"] = summary.Replaced,
                ["labels"] = summary.All,
                ["sites"] = FeatureReport.Array(summary.Sites, s => JsonValue.Create(s)),
            });
    }

    private static (string, JsonObject) Explain(string model, string[]? sites, int shown, string file, CancellationToken cancel)
    {
        var shelf = FeatureShelf.Open(model);
        ExplainSummary? summary = null;
        OutputFile.Write(file, stream => summary = ExplainPack.Write(shelf.Table, shelf.Sites(sites), shown, stream, cancel), null, cancel);
        return ($"wrote {file} ({Screen.Bytes(new FileInfo(file).Length)}): {Screen.Count(summary!.Features, "feature")}; "
            + $"{summary.LeftOut:N0} are left out, dead on the text or with too few contexts", new JsonObject
            {
                ["file"] = file,
                ["features"] = summary.Features,
                ["left_out"] = summary.LeftOut,
            });
    }

    private static (string, JsonObject) Score(string model, string file, CancellationToken cancel)
    {
        var summary = LabelScores.Run(FeatureShelf.Open(model), file, cancel);
        var constant = summary.Constant == 0 ? "" : $"; {summary.Constant:N0} have no score, as all is the same on one side";
        return ($"scored {Screen.Count(summary.Scores.Count, "label")}: correlation {Screen.Number(summary.Mean)} on the mean, "
            + $"{Screen.Number(summary.Median)} the median{constant}", new JsonObject
            {
                ["scored"] = summary.Scores.Count,
                ["mean"] = double.IsNaN(summary.Mean) ? null : summary.Mean,
                ["median"] = double.IsNaN(summary.Median) ? null : summary.Median,
                ["constant"] = summary.Constant,
            });
    }
}
