using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>What is timed: the model's shape, the prompt, the counted runs, and what becomes of the figures.</summary>
internal sealed class BenchOptions
{
    public const string Description = """
        Time nodes and edges on a random model (by default of GPT-2-small's shape, 37 dictionaries of 24,576 features;
        --model-shape: of another model's), against the machine's matrix-multiply limit. The model is made once and cached
        on disk (about 6 GB). With --ablate, time naive ablation of every active feature instead.

        Example: OnnxAttribution.Bench --tokens 16 --nodes 64
                 OnnxAttribution.Bench --model-shape pythia-70m --record benchmarks
                 OnnxAttribution.Bench --ablate --layers 3 --width 256 --features 2048 --vocabulary 4096
        """;

    private const int GraphRuns = 7, AblateRuns = 3, HeadWidth = 64;

    private readonly Option<string?> _shape = new("--model-shape")
    {
        Description = "sizes of a published model and of dictionaries that people use with it",
        HelpName = string.Join('|', SyntheticShape.Published.Keys),
    };

    private readonly Option<int> _layers = Size("--layers", 12, "transformer blocks");
    private readonly Option<int> _width = Size("--width", 768, $"width of the residual stream, a multiple of {HeadWidth}");
    private readonly Option<int> _features = Size("--features", 24576, "features per dictionary");
    private readonly Option<int> _vocabulary = Size("--vocabulary", 50257, "tokens of the vocabulary");
    private readonly Option<int> _tokens = Size("--tokens", BenchRequest.UsualTokens, "tokens of the prompt");
    private readonly Option<int> _nodes = Size("--nodes", BenchRequest.UsualNodes, "features kept per site; error nodes come on top");
    private readonly Option<int> _refine = NumberOptions.Whole("--refine",
        "draw each graph once more with its N strongest nodes really patched, and time both (0: do not)",
        value: GraphOptions.DefaultRefine, least: 0);
    private readonly Option<int> _edges = Size("--edges", 10_000_000, "random edges that the store sorts and writes");
    public Option<int> Memory { get; } = Size("--memory", 1024, "MiB for the cotangents of one run");

    private readonly Option<int?> _runs = new("--runs")
    {
        Description = $"counted runs ({GraphRuns}; with --ablate {AblateRuns})",
        HelpName = "N",
    };

    private readonly Option<bool> _first = new("--first")
    {
        Description = "time one graph alone, the first, with the sessions that it makes: for prompts that take minutes",
    };

    private readonly Option<bool> _screen = new("--screen")
    {
        Description = "time a bundle with screens beside its dictionaries, a linked copy of the other (3.5 GB more)",
    };

    private readonly Option<bool> _ablate = new("--ablate")
    {
        Description = "time 'ablate' at all residual sites, edges alone and with logits, whole forward passes, and 'validate'",
    };

    private readonly Option<string> _positions = ChoiceOptions.OneOf("--positions", "with --ablate: where a feature is ablated",
        "all", "last", "each");

    private readonly Option<string> _measure = ChoiceOptions.OneOf("--measure", "with --ablate: where downstream features are read",
        "all", "last");

    private readonly Option<string> _cache = new("--cache")
    {
        Description = "where random models are kept",
        HelpName = "DIR",
        DefaultValueFactory = _ => Path.Combine(Home, ".cache", "onnx-attribution"),
    };

    private readonly Option<string> _program = new("--program")
    {
        Description = "the onnx-attribution whose start is timed; a .dll is run by dotnet",
        HelpName = "FILE",
        DefaultValueFactory = _ => Path.Combine(AppContext.BaseDirectory, "onnx-attribution.dll"),
    };

    private readonly Option<string?> _peers = new("--peers")
    {
        Description = "what bench/bench_peer.py --json wrote, to compare with",
        HelpName = "FILE",
    };

    private readonly Option<int?> _coverage = new("--coverage")
    {
        Description = "time nothing: draw so many small random graphs, measure all that they drop, and print how often the bounds of "
            + "'graph --certify' held",
        HelpName = "GRAPHS",
    };

    private readonly Option<int?> _dataset = new("--dataset")
    {
        Description = "time queries and 'cluster' over a dataset of so many random graphs of 1,000 edges in place of graphs; it is kept in "
            + $"--cache (3 GB for {DatasetBenchmark.UsualPrompts:N0}), and what is there is not written again",
        HelpName = "PROMPTS",
    };

    private readonly Option<int?> _batch = new("--batch")
    {
        Description = "time graphs of so many prompts side by side, as a dataset's are run, in place of one after the other",
        HelpName = "PROMPTS",
    };

    private readonly Option<bool> _json = new("--json") { Description = "print one JSON object" };

    private readonly Option<string?> _record = new("--record")
    {
        Description = "write the JSON to DIR/<machine>/<benchmark>-<shape>.json as well",
        HelpName = "DIR",
    };

    private readonly Option<string?> _tables = new("--tables")
    {
        Description = "time nothing: make the marked tables of a Markdown file anew from the JSON that they name",
        HelpName = "FILE",
    };

    private static string Home => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    private Option<int>[] Sizes => [_layers, _width, _features, _vocabulary, _tokens, _nodes, _edges, Memory];

    public void AddTo(RootCommand root)
    {
        _shape.AcceptOnlyFromAmong([.. SyntheticShape.Published.Keys]);
        foreach (var size in Sizes) size.AtLeast(1);
        _runs.AtLeast(1);
        _coverage.AtLeast(1);
        _dataset.AtLeast(1);
        _batch.AtLeast(1);
        Option[] others = [_refine, _runs, _first, _screen, _ablate, _positions, _measure, _cache, _program, _peers, _coverage, _dataset,
            _batch, _json, _record, _tables];
        foreach (var option in (Option[])[_shape, .. Sizes, .. others]) root.Options.Add(option);
        root.Validators.Add(Agree);
    }

    public bool Ablates(ParseResult parsed) => parsed.GetValue(_ablate);

    public bool IsJson(ParseResult parsed) => parsed.GetValue(_json);

    public string Program(ParseResult parsed) => parsed.GetRequiredValue(_program);

    /// <summary>The directory of records; null: none is written.</summary>
    public string? RecordIn(ParseResult parsed) => parsed.GetValue(_record);

    /// <summary>The page whose tables are to be made; null: something is timed.</summary>
    public string? Tables(ParseResult parsed) => parsed.GetValue(_tables);

    /// <summary>How many random graphs are checked; null: something is timed.</summary>
    public int? Coverage(ParseResult parsed) => parsed.GetValue(_coverage);

    /// <summary>How many graphs a dataset of random ones has; null: none is timed.</summary>
    public int? Dataset(ParseResult parsed) => parsed.GetValue(_dataset);

    /// <summary>How many prompts are run side by side; null: one after the other.</summary>
    public int? Batch(ParseResult parsed) => parsed.GetValue(_batch);

    public string Cache(ParseResult parsed) => parsed.GetRequiredValue(_cache);

    public IReadOnlyList<PeerTime>? Peers(ParseResult parsed) => parsed.GetValue(_peers) is { } file ? PeerTime.Read(file) : null;

    public AblationOptions Ablation(ParseResult parsed) => new(
        Positions: Enum.Parse<AblationPositions>(parsed.GetRequiredValue(_positions), ignoreCase: true),
        Measure: Enum.Parse<AblationMeasure>(parsed.GetRequiredValue(_measure), ignoreCase: true));

    /// <summary>Makes the random model where the cache has none.</summary>
    public BenchRequest Request(ParseResult parsed, RunContext context, Action<string> progress)
    {
        var shape = Shape(parsed);
        var tokens = parsed.GetValue(_tokens);
        if (tokens < 2 || tokens > shape.Context) throw new UsageException($"--tokens {tokens} must be 2 to {shape.Context}");
        var bundle = RandomModel.Prepare(parsed.GetRequiredValue(_cache), shape, progress, context.Cancel);
        var isScreened = parsed.GetValue(_screen);
        if (isScreened) bundle = RandomModel.WithScreens(bundle, progress, context.Cancel);
        return new BenchRequest(bundle, shape, context)
        {
            IsScreened = isScreened,
            Tokens = tokens,
            Nodes = parsed.GetValue(_nodes),
            Refine = parsed.GetValue(_refine),
            StoredEdges = parsed.GetValue(_edges),
            Runs = parsed.GetValue(_first) ? 0 : parsed.GetValue(_runs) ?? (Ablates(parsed) ? AblateRuns : GraphRuns),
            Progress = progress,
        };
    }

    private SyntheticShape Shape(ParseResult parsed)
    {
        int width = parsed.GetValue(_width), features = parsed.GetValue(_features);
        if (width % HeadWidth != 0) throw new UsageException($"--width {width} is no multiple of {HeadWidth}, the width of a head");
        if (parsed.GetValue(_vocabulary) < 300) throw new UsageException("--vocabulary must be 300 or more: 256 bytes and some");
        var published = parsed.GetValue(_shape);
        var shape = published is null
            ? new SyntheticShape(parsed.GetValue(_layers), width, width / HeadWidth, parsed.GetValue(_vocabulary))
            : SyntheticShape.Published[published];
        return published is not null && parsed.GetResult(_features) is null or { Implicit: true } ? shape
            : shape with { Features = features, ActiveFeatures = Math.Min(60, features / 2) };
    }

    // what is asked for is never passed over in silence
    private void Agree(CommandResult result)
    {
        bool Given(Option option) => result.GetResult(option) is { Implicit: false };
        if (Given(_shape) && ((Option[])[_layers, _width, _vocabulary]).FirstOrDefault(Given) is { } size)
        {
            result.AddError($"{size.Name} has no meaning with --model-shape, which says it; leave one of them out");
        }
        Option[] timing = [_shape, .. Sizes, _refine, _runs, _first, _ablate, _positions, _measure, _cache, _program, _peers, _batch,
            _record, _tables];
        if (Given(_coverage) && timing.FirstOrDefault(o => o != Memory && Given(o)) is { } timed)
        {
            result.AddError($"{timed.Name} has no meaning with --coverage, which times nothing; leave one of them out");
        }
        Option[] ofGraphs = [.. timing.Except([_cache, _record]), _coverage];
        if (Given(_dataset) && ofGraphs.FirstOrDefault(o => o != Memory && Given(o)) is { } graphs)
        {
            result.AddError($"{graphs.Name} has no meaning with --dataset; leave one of them out");
        }
        if (Given(_batch) && ((Option[])[_refine, _first, _edges, _program, _peers, _ablate]).FirstOrDefault(Given) is { } other)
        {
            result.AddError($"{other.Name} has no meaning with --batch, which times graphs alone; leave one of them out");
        }
        var ablates = result.GetValue(_ablate);
        if (Given(_first) && Given(_runs)) result.AddError($"{_runs.Name} has no meaning with {_first.Name}; leave one of them out");
        Option[] wrong = ablates ? [_nodes, _refine, _first, _edges, _peers, _program] : [_positions, _measure];
        if (wrong.FirstOrDefault(Given) is not { } option) return;
        result.AddError($"{option.Name} {(ablates ? "has no meaning with --ablate; leave it out" : "goes with --ablate")}");
    }

    private static Option<int> Size(string name, int value, string what) =>
        new(name) { Description = $"{what} ({value})", HelpName = "N", DefaultValueFactory = _ => value };
}
