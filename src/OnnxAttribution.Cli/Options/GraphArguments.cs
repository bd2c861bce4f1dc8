using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>graph</c> that say what every prompt is asked for.</summary>
internal sealed class GraphArguments
{
    public MetricOptions Metric { get; } = new("what is explained, read off the logits at --position");
    private readonly Option<string> _method = ChoiceOptions.OneOf("--method",
        "attribution patching, integrated gradients (edges into the metric still carry the clean run's gradient; "
            + "with --metric kl, which has none, the mean one), or every node really patched; atpstar: attribution patching "
            + "with attention computed again for queries and keys, and a backward pass per block that drops its gradient",
        "atp", "ig", "exact", "atpstar");
    private readonly Option<string> _estimator = ChoiceOptions.OneOf("--estimator",
        "what counts as a derivative: the true one; relp: norms' scales fixed, GELU and SiLU as their ratio to x, "
            + "gates halved; frozen: norms' scales and attention patterns fixed; gim: norms' scales fixed, attention's softmax at "
            + "temperature 2, products of two activations halved", "gradient", "relp", "frozen", "gim");
    private readonly Option<string> _edges = ChoiceOptions.OneOf("--edges",
        "how edges are found: by the jacobian at the clean run, or exact: every kept node is really moved, and the change of every "
            + "node downstream is read", "jacobian", "exact");
    private readonly Option<int> _steps =
        new("--steps") { Description = "steps of --method ig", HelpName = "N", DefaultValueFactory = _ => 10 };
    private readonly Option<int?> _exactDepth = new("--exact-depth")
    {
        Description = "run K blocks behind every node for real, and take the linear step only there; "
            + "the number of blocks: all the way, which is exact",
        HelpName = "K"
    };
    private readonly Option<int?> _refine = NumberOptions.WholeOrOff("--refine",
        "really patch the strongest nodes, N at most, and run eight times as many one block deep "
            + $"({GraphOptions.DefaultRefine}, or off with another --method or --estimator, or with --exact-depth)");
    private readonly Option<string?> _sites = ModelOptions.Sites("where the graph is cut", "; default: all that have a dictionary");
    private readonly Option<string> _replace = ChoiceOptions.OneOf("--replace",
        "mlp: the graph is of the local replacement model, in which the bundle's transcoders stand for MLPs; none: of the model itself; "
            + "auto: mlp where the bundle's dictionaries are transcoders only", "auto", "mlp", "none");
    private readonly Option<int?> _zeroPositions = new("--zero-positions")
    {
        Description = "positions from the first at which transcoders have neither features nor errors (as their files say: 1 for "
            + "circuit-tracer's)",
        HelpName = "N"
    };
    private readonly Option<int?> _targets = new("--targets")
    {
        Description = "of a graph of transcoders: the likeliest tokens as outputs with edges of their own, until their probabilities add "
            + "up to 0.95, at most N",
        HelpName = "top:N",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (text.StartsWith("top:", StringComparison.Ordinal) && int.TryParse(text.AsSpan(4), NumberStyles.None,
                CultureInfo.InvariantCulture, out var n) && n is >= 1 and <= 1000)
            {
                return n;
            }
            result.AddError($"--targets cannot be '{text}'; it takes top:N, such as top:10");
            return null;
        },
    };
    private readonly Option<string> _prune = ChoiceOptions.OneOf("--prune",
        "what stays: what lies on a path to the metric, or of a graph of transcoders what 0.8 of the nodes' and 0.98 of the edges' "
            + "influence on the outputs is of, as circuit-tracer has it", "paths", "influence", "none");
    private readonly Option<int?> _topNodes = new("--top-nodes")
    {
        Description = "features kept per site, by |effect|; error nodes come on top (20, or no limit with --node-threshold)",
        HelpName = "N"
    };
    private readonly Option<int?> _topErrors = new("--top-errors")
    {
        Description = "error nodes kept per site, by |effect|; the others of a site are one row, at position -1, whose effect and edges "
            + $"are the sums of theirs ({GraphOptions.DefaultTopErrors}, or all with --heads or --targets)",
        HelpName = "N"
    };
    private readonly Option<float?> _nodeThreshold = NumberOptions.Threshold("--node-threshold", "least |effect| of a kept node", "0.001");
    private readonly Option<int?> _topEdges =
        new("--top-edges") { Description = "edges kept in all, by |effect| (1000, or no limit with --edge-threshold)", HelpName = "N" };
    private readonly Option<float?> _edgeThreshold = NumberOptions.Threshold("--edge-threshold", "least |effect| of a kept edge", "0.001");
    private readonly Option<bool> _noPrune =
        new("--no-prune") { Description = "keep nodes and edges from which no path leads to the metric" };
    private readonly Option<bool> _all =
        new("--all") { Description = "keep every node and edge, and print how well effects are conserved" };
    private readonly Option<string> _aggregate = ChoiceOptions.OneOf("--aggregate",
        "sum: nodes and edges summed over positions, at position -1; what is kept is chosen by the sums", "none", "sum");
    private readonly HeadOptions _heads = new();
    private readonly Option<string> _sign = ChoiceOptions.OneOf("--sign",
        "what tables, page and colours show: what a node's clean value does for the metric, or what an ablation does (with "
            + "--patch-prompt: the patch)", "contribution", "ablation");
    private readonly Option<bool> _validate =
        new("--validate") { Description = "check the finished run against real interventions, as 'validate' does" };
    private readonly CertificateOptions _certificate = new("--certify", ModelOptions.Seed("of the draws of --certify"));
    private readonly PromptOptions _prompt;

    public Option<int> Memory { get; } = ModelOptions.Memory("memory that a run's rows may take, and a pass four times of");

    /// <summary>What is done to a run directory once it is written, or has a table of its own there.</summary>
    public IEnumerable<Option> OfRuns => [_targets, .. Checked];

    /// <summary>What checks a run once it is written.</summary>
    public IEnumerable<Option> Checked => [_validate, .. _certificate.All];

    /// <param name="prompt">Whose --prepend-bos stands among these.</param>
    public GraphArguments(Command command, PromptOptions prompt)
    {
        _prompt = prompt;
        _steps.AtLeast(1);
        _exactDepth.AtLeast(0);
        _zeroPositions.AtLeast(0);
        _topNodes.AtLeast(0);
        _topErrors.AtLeast(0);
        _topEdges.AtLeast(0);
        Option[] all = [Metric.Kind, Metric.Position, _method, _estimator, _steps, _exactDepth, _refine, _edges, _sites,
            _replace, _zeroPositions, _targets, _prune, _topNodes, _topErrors, _nodeThreshold,
            _topEdges, _edgeThreshold, _noPrune, _all, _aggregate, _heads.Split, _sign, _prompt.PrependBos, _validate,
            .. _certificate.All, _certificate.Seed, Memory];
        _certificate.Seed.AtLeast(0);
        foreach (var option in all) command.Options.Add(option);
        command.Checks(Contradictions);
    }

    /// <summary>Refuses pruning by influence on output tokens of many prompts.</summary>
    public void RefuseInfluenceOfMany(CommandResult result, Option many)
    {
        if (!result.IsGiven(many) || Given(result, _prune) != "influence") return;
        result.AddError("--prompts also sums graphs over prompts, whose outputs differ; give --prune influence with --prompt");
    }

    /// <summary>Where the model is cut, and what of it is replaced.</summary>
    public ModelSelection Selection(ParseResult parsed) => new(parsed.Items(_sites), parsed.GetValue(_replace) switch
    {
        "mlp" => MlpReplacement.Mlp,
        "none" => MlpReplacement.None,
        _ => MlpReplacement.WhereOnlyTranscoders,
    })
    {
        ZeroPositions = parsed.GetValue(_zeroPositions),
    };

    /// <summary>What each run is put to once it is written.</summary>
    public RunChecks Checks(ParseResult parsed) =>
        new(parsed.GetValue(_validate) ? new ValidationRequest() : null, _certificate.Request(parsed));

    public GraphRequest Request(ParseResult parsed, string commandLine)
    {
        var (topNodes, nodeThreshold, topEdges, edgeThreshold) = (parsed.GetValue(_topNodes), parsed.GetValue(_nodeThreshold),
            parsed.GetValue(_topEdges), parsed.GetValue(_edgeThreshold));
        var byInfluence = parsed.GetValue(_prune) == "influence";
        var defaults = new GraphOptions();
        var options = new GraphOptions
        {
            Metric = new(Metric.KindIn(parsed), parsed.GetValue(Metric.Position)),
            Method = Enum.Parse<EffectMethod>(parsed.GetRequiredValue(_method), ignoreCase: true),
            Estimator = Enum.Parse<Estimator>(parsed.GetRequiredValue(_estimator), ignoreCase: true),
            Steps = parsed.GetValue(_steps),
            Edges = Enum.Parse<EdgeMethod>(parsed.GetRequiredValue(_edges), ignoreCase: true),
            ExactDepth = parsed.GetValue(_exactDepth),
            Refine = parsed.GetValue(_refine),
            TopNodes = topNodes ?? (nodeThreshold is null && !byInfluence ? defaults.TopNodes : null),
            TopErrors = parsed.GetValue(_topErrors) ?? defaults.TopErrors,
            NodeThreshold = nodeThreshold ?? 0,
            TopEdges = topEdges ?? (edgeThreshold is null && !byInfluence ? defaults.TopEdges : null),
            EdgeThreshold = edgeThreshold ?? 0,
            Prune = !parsed.GetValue(_noPrune) && parsed.GetValue(_prune) != "none",
            Targets = parsed.GetValue(_targets) is { } count ? new TargetRequest(count) : null,
            Influence = byInfluence ? new InfluencePruning() : null,
            Heads = _heads.Request(parsed),
        };
        return new GraphRequest(parsed.GetValue(_all) ? options.KeepingAll() : options, parsed.GetValue(_aggregate) == "sum",
            parsed.GetValue(_prompt.PrependBos), commandLine)
        {
            ShowAblation = parsed.GetValue(_sign) == "ablation",
        };
    }

    private void Contradictions(CommandResult result)
    {
        Option[] limits = [_topNodes, _topErrors, _nodeThreshold, _topEdges, _edgeThreshold];
        if (result.GetValue(_all) && limits.FirstOrDefault(o => result.GetResult(o) is not null) is { } limit)
        {
            result.AddError($"--all keeps everything, so {limit.Name} contradicts it; give one of them");
        }
        ContradictLumps(result);
        ContradictPruning(result);
        ContradictChecks(result);
        var depth = Given(result, _exactDepth) is { } k && k.Trim('0') is not "" ? k : null;
        var method = Given(result, _method) ?? "atp";
        if (result.IsGiven(_steps) && method != "ig") result.AddError("--steps goes with --method ig");
        if (depth is not null && method != "atp")
        {
            result.AddError($"--exact-depth takes the linear step of --method atp behind the blocks that it runs, and contradicts "
                + $"--method {method}; give one of them");
        }
        if (Given(result, _refine) is { } n and not "off" && (method == "exact" || depth is not null))
        {
            result.AddError($"{(method == "exact" ? "--method exact" : "--exact-depth")} moves every node already, so --refine {n} "
                + "has none left; give one of them");
        }
        if (method == "atpstar" && Given(result, _estimator) is { } estimator and not "gradient")
        {
            result.AddError($"--method atpstar has true derivatives, so --estimator {estimator} contradicts it; give one of them");
        }
        _heads.Contradict(result, _aggregate, Metric.Kind);
        if (Given(result, Metric.Kind) == "kl" && method is "atp" or "atpstar")
        {
            result.AddError("--metric kl has gradient 0 at the clean run, so attribution patching would find nothing; "
                + "use --method ig or --method exact");
        }
        if (Given(result, Metric.Kind) == "kl" && Given(result, _method) == "exact" && Given(result, _edges) == "exact")
        {
            result.AddError("--metric kl has gradient 0 at the clean run, so exact edges would have no effect; "
                + "use --method ig, or leave --edges out");
        }
    }

    private void ContradictLumps(CommandResult result)
    {
        if (!result.IsGiven(_topErrors)) return;
        var other = _heads.Split is var heads && result.IsGiven(heads) ? heads.Name : result.IsGiven(_targets) ? _targets.Name
            : Given(result, _aggregate) == "sum" ? "--aggregate sum" : null;
        if (other is not null) result.AddError($"--top-errors sums errors up, and contradicts {other}; give one of them");
    }

    private void ContradictPruning(CommandResult result)
    {
        if (result.GetValue(_noPrune) && Given(result, _prune) is { } prune and not "none")
        {
            result.AddError($"--no-prune keeps what no path leads from, and contradicts --prune {prune}; give one of them");
        }
        if (Given(result, _prune) == "influence" && result.GetValue(_all))
        {
            result.AddError("--all keeps everything, so --prune influence contradicts it; give one of them");
        }
    }

    private void ContradictChecks(CommandResult result)
    {
        if (result.GetValue(_validate) && Given(result, _aggregate) == "sum")
        {
            result.AddError("--aggregate sum leaves sums over positions, which --validate cannot patch; give one of them");
        }
        _certificate.Contradict(result, _certificate.Seed);
        if (!_certificate.IsAsked(result)) return;
        if (result.GetValue(_all)) result.AddError("--all keeps everything, so --certify has nothing left to bound; give one of them");
        if (Given(result, _aggregate) == "sum")
        {
            result.AddError("--aggregate sum leaves sums over positions, which --certify cannot patch; give one of them");
        }
    }

    private static string? Given(CommandResult result, Option option) => result.GetResult(option)?.Tokens.FirstOrDefault()?.Value;
}
