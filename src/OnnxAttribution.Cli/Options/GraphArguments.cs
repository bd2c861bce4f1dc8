using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>graph</c> that say what every prompt is asked for.</summary>
internal sealed class GraphArguments
{
    public Option<string> MetricOption { get; } = new("--metric")
    {
        Description = "what is explained, read off the logits at --position",
        HelpName = string.Join('|', Metric.Names),
        DefaultValueFactory = _ => "logit"
    };
    private readonly Option<int?> _position =
        new("--position") { Description = "token position of the metric, from 0, BOS counted; default: the last", HelpName = "N" };
    private readonly Option<string> _method = new("--method")
    {
        Description = "attribution patching, integrated gradients (edges into the metric still carry the clean run's gradient; "
            + "with --metric kl, which has none, the mean one), or every node really patched",
        HelpName = "atp|ig|exact",
        DefaultValueFactory = _ => "atp"
    };
    private readonly Option<string> _estimator = new("--estimator")
    {
        Description = "what counts as a derivative: the true one; relp: norms' scales fixed, GELU and SiLU as their ratio to x, "
            + "gates halved; frozen: norms' scales and attention patterns fixed",
        HelpName = "gradient|relp|frozen",
        DefaultValueFactory = _ => "gradient",
    };
    private readonly Option<int> _steps =
        new("--steps") { Description = "steps of --method ig", HelpName = "N", DefaultValueFactory = _ => 10 };
    private readonly Option<string?> _sites = new("--sites")
    {
        Description = "where the graph is cut: resid, attn, mlp, resid_mid, z, single ones such as 3.mlp, or hook names, "
            + "with commas between; default: all that have a dictionary",
        HelpName = "SITES"
    };
    private readonly Option<int?> _topNodes = new("--top-nodes")
    {
        Description = "features kept per site, by |effect|; error nodes come on top (20, or no limit with --node-threshold)",
        HelpName = "N"
    };
    private readonly Option<float?> _nodeThreshold = Threshold("--node-threshold", "least |effect| of a kept node");
    private readonly Option<int?> _topEdges =
        new("--top-edges") { Description = "edges kept in all, by |effect| (1000, or no limit with --edge-threshold)", HelpName = "N" };
    private readonly Option<float?> _edgeThreshold = Threshold("--edge-threshold", "least |effect| of a kept edge");
    private readonly Option<bool> _noPrune =
        new("--no-prune") { Description = "keep nodes and edges from which no path leads to the metric" };
    private readonly Option<bool> _all =
        new("--all") { Description = "keep every node and edge, and print how well effects are conserved" };
    private readonly Option<string> _aggregate = new("--aggregate")
    {
        Description = "sum: nodes and edges summed over positions, at position -1; what is kept is chosen by the sums",
        HelpName = "none|sum",
        DefaultValueFactory = _ => "none"
    };
    private readonly Option<bool?> _prependBos = new("--prepend-bos")
    {
        Description = "begin prompts with the tokenizer's BOS, GPT-2's <|endoftext|>; default: as the dictionaries were trained",
        HelpName = "true|false"
    };
    private readonly Option<bool> _validate =
        new("--validate") { Description = "check the finished run against real interventions, as 'validate' does" };
    public Option<int> Memory { get; } =
        new("--memory") { Description = "memory that one run's cotangents may take", HelpName = "MiB", DefaultValueFactory = _ => 1024 };

    public GraphArguments(Command command)
    {
        MetricOption.AcceptOnlyFromAmong([.. Metric.Names]);
        _method.AcceptOnlyFromAmong("atp", "ig", "exact");
        _estimator.AcceptOnlyFromAmong("gradient", "relp", "frozen");
        _aggregate.AcceptOnlyFromAmong("none", "sum");
        _sites.NotEmpty("resid, attn, mlp, resid_mid, z, single ones such as 3.mlp, or hook names, with commas between");
        _steps.AtLeast(1);
        _position.AtLeast(0);
        _topNodes.AtLeast(0);
        _topEdges.AtLeast(0);
        Memory.AtLeast(1);
        Option[] all = [MetricOption, _position, _method, _estimator, _steps, _sites, _topNodes, _nodeThreshold, _topEdges, _edgeThreshold,
            _noPrune, _all, _aggregate, _prependBos, _validate, Memory];
        foreach (var option in all) command.Options.Add(option);
        command.Validators.Add(Contradictions);
    }

    public string[]? Sites(ParseResult parsed) =>
        parsed.GetValue(_sites)?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>How to validate each run; null where that was not asked for.</summary>
    public ValidationRequest? Validation(ParseResult parsed) =>
        parsed.GetValue(_validate) ? new ValidationRequest() : null;

    public GraphRequest Request(ParseResult parsed, string commandLine)
    {
        var (topNodes, nodeThreshold, topEdges, edgeThreshold) = (parsed.GetValue(_topNodes), parsed.GetValue(_nodeThreshold),
            parsed.GetValue(_topEdges), parsed.GetValue(_edgeThreshold));
        var defaults = new GraphOptions();
        var options = new GraphOptions
        {
            Metric = new(Metric.KindOf(parsed.GetRequiredValue(MetricOption)), parsed.GetValue(_position)),
            Method = Enum.Parse<EffectMethod>(parsed.GetRequiredValue(_method), ignoreCase: true),
            Estimator = Enum.Parse<Estimator>(parsed.GetRequiredValue(_estimator), ignoreCase: true),
            Steps = parsed.GetValue(_steps),
            TopNodes = topNodes ?? (nodeThreshold is null ? defaults.TopNodes : null),
            NodeThreshold = nodeThreshold ?? 0,
            TopEdges = topEdges ?? (edgeThreshold is null ? defaults.TopEdges : null),
            EdgeThreshold = edgeThreshold ?? 0,
            Prune = !parsed.GetValue(_noPrune),
        };
        return new GraphRequest(parsed.GetValue(_all) ? options.KeepingAll() : options, parsed.GetValue(_aggregate) == "sum",
            parsed.GetValue(_prependBos), commandLine);
    }

    private void Contradictions(CommandResult result)
    {
        Option[] limits = [_topNodes, _nodeThreshold, _topEdges, _edgeThreshold];
        if (result.GetValue(_all) && limits.FirstOrDefault(o => result.GetResult(o) is not null) is { } limit)
        {
            result.AddError($"--all keeps everything, so {limit.Name} contradicts it; give one of them");
        }
        if (result.GetValue(_validate) && Given(result, _aggregate) == "sum")
        {
            result.AddError("--aggregate sum leaves sums over positions, which --validate cannot patch; give one of them");
        }
        if (Given(result, MetricOption) == "kl" && (Given(result, _method) ?? "atp") == "atp")
        {
            result.AddError("--metric kl has gradient 0 at the clean run, so attribution patching would find nothing; "
                + "use --method ig or --method exact");
        }
    }

    private static string? Given(CommandResult result, Option option) => result.GetResult(option)?.Tokens.FirstOrDefault()?.Value;

    private static Option<float?> Threshold(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result =>
        {
            if (float.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var x)
                && float.IsFinite(x) && x >= 0)
            {
                return x;
            }
            result.AddError($"{name} cannot be '{result.Tokens[0].Value}'; it takes a number from 0, such as 0.001");
            return null;
        },
    };
}
