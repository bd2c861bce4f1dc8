using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>What plans of prompts stand on: the machine's rates, and what is expected of active features.</summary>
internal sealed class PlanBasis
{
    /// <summary>Of a short measurement: 0.3 s of products.</summary>
    private const int Runs = 9;

    private const double ProductSeconds = 0.3;

    // measured at GPT-2-small's shape: to start, for each session, and for each byte that is laid out, or mapped and touched the first
    // time, against one that is read
    private const double ProcessSeconds = 0.8, SessionSeconds = 0.02, LayOut = 80, Map = 15;

    // measured on models/tiny: of a lane for each prompt of a dataset and pass, beside its products, for each whose nodes are moved, and
    // of all for the mean at the end
    private const double PromptSeconds = 0.04, MovedSeconds = 0.1, MeanSeconds = 1.5;

    /// <summary>What stages were seen to take of what the rates alone would give.</summary>
    public const double Experience = 2;

    private PlanBasis(LoadedModel model, GraphOptions options, ExpectedNodes expected)
    {
        (Options, Expected) = (options, expected);
        Cost = new GraphCost(model, options, expected);
        // of a lane, and all of them multiply at once
        Lanes = model.Context.Lanes;
        Products = Lanes * MachineRate.Products(model.Context, Runs, ProductSeconds);
        Bytes = MachineRate.Memory(Lanes * model.Context.Threads);
    }

    /// <summary>How many prompts of a dataset are worked at side by side.</summary>
    public int Lanes { get; }

    /// <summary>As they count for the model.</summary>
    public GraphOptions Options { get; }

    /// <summary>What is expected of the prompts' nodes.</summary>
    public ExpectedNodes Expected { get; }

    /// <summary>Floating-point operations per second of large products, one in each lane.</summary>
    public double Products { get; }

    /// <summary>Bytes per second that all threads read.</summary>
    public double Bytes { get; }

    /// <summary>Counts what prompts take.</summary>
    public GraphCost Cost { get; }

    /// <param name="tokens">Of the prompt that a piece is run of, where the bundle does not say how many features are active.</param>
    /// <param name="options">As they are asked for.</param>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    public static PlanBasis Of(LoadedModel model, PromptTokens tokens, GraphOptions options)
    {
        options = ReplacedOptions.Of(model, options with
        {
            Metric = options.Metric with { Target = tokens.Target, Foil = tokens.Foil }
        });
        HeadSplit.Check(model, options);
        model.RequireTokens(tokens.Clean);
        if (options.Metric.Position is { } p) model.RequirePosition(p, tokens.Clean.Length);
        var rates = FiringRates.Of(model.Directory, model.BundleHash, model.Context.Cancel);
        return new(model, options, NodeSample.Of(model, tokens.Clean, options, rates));
    }

    /// <summary>Seconds of a stage.</summary>
    public double Seconds(StageCost stage) => Experience * Math.Max(stage.Operations / Products, stage.Bytes / Bytes);

    /// <summary>Seconds of prompts side by side, in the first pass over a dataset and in the second, which moves no node again.</summary>
    public double SecondsOfBoth(WindowCost window, int prompts) => window.Stages.Sum(s => Seconds(s) * (s.Name == "node effects" ? 1 : 2))
        + (((2 * PromptSeconds) + (window.MovesNodes ? MovedSeconds : 0)) * prompts / Math.Min(Lanes, prompts));

    /// <summary>Seconds that a process takes once.</summary>
    /// <param name="laidOut">Bytes of weights that sessions lay out or turn.</param>
    public double Start(PromptCost cost, long laidOut) => ProcessSeconds + (cost.Sessions * SessionSeconds)
        + (((LayOut * laidOut) + (Map * cost.Memory.Where(m => m.IsMapped).Sum(m => m.Bytes))) / Bytes);

    /// <summary>The same of a process that draws a dataset and writes its mean.</summary>
    public double StartOfMany(PromptCost cost, long laidOut) => Start(cost, laidOut) + MeanSeconds;
}
