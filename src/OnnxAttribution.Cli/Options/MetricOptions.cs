using System.CommandLine;
using OnnxAttribution.Attribution;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options that say what is measured, and where.</summary>
internal sealed class MetricOptions
{
    /// <param name="what">What is done with the metric.</param>
    public MetricOptions(string what)
    {
        Kind = new Option<string>("--metric")
        {
            Description = what,
            HelpName = string.Join('|', Metric.Names),
            DefaultValueFactory = _ => "logit"
        };
        Kind.AcceptOnlyFromAmong([.. Metric.Names]);
        Position.AtLeast(0);
    }

    public Option<string> Kind { get; }

    public Option<int?> Position { get; } =
        new("--position") { Description = "token position of the metric, from 0, BOS counted; default: the last", HelpName = "N" };

    public MetricKind KindIn(ParseResult parsed) => Metric.KindOf(parsed.GetRequiredValue(Kind));

    /// <summary>null where --metric is not given.</summary>
    public MetricKind? GivenIn(ParseResult parsed) => parsed.GetResult(Kind) is { Implicit: false } ? KindIn(parsed) : null;
}
