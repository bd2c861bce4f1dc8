using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>A loaded model cut at every site of its bundle, for moves: a graph per site that runs only what a move changes, and one for the
/// logits at one position.</summary>
/// <remarks>They live as long as the model, so that many prompts pay for their sessions once.</remarks>
internal sealed class MovedSteps : IDisposable
{
    /// <summary>int64 [1], where the logits are read, and int64 [chosen], of which tokens.</summary>
    public const string LogitsPosition = "moved.logits_position", LogitsTokens = "moved.logits_tokens";

    private readonly LoadedModel _model;
    private readonly Step?[] _steps;
    private readonly bool[] _onePosition;
    private volatile bool _looksAhead;   // of any lane
    private readonly Dictionary<bool, Step> _heads = [];

    private MovedSteps(LoadedModel model)
    {
        _model = model;
        var sites = model.AllSites;
        _steps = [.. sites.Select(StepTo)];
        HeadReads = Reads(model.Graph[ModelBundle.Logits]);
        HeadIsPositionWise = LogitsHead.IsPositionWise(model.Graph, sites);
        LastRead = [.. Enumerable.Range(0, sites.Count).Select(s => HeadReads.Contains(s) ? sites.Count
            : Enumerable.Range(0, sites.Count).Where(i => _steps[i]?.Reads.Contains(s) == true).DefaultIfEmpty(s).Max())];
        _onePosition = new bool[sites.Count];
        for (var s = sites.Count - 1; s >= 0; s--)
        {
            var readers = Enumerable.Range(s + 1, sites.Count - s - 1).Where(i => _steps[i]?.Reads.Contains(s) == true);
            _onePosition[s] = LastRead[s] > s && (!HeadReads.Contains(s) || HeadIsPositionWise)
                && readers.All(i => !_steps[i]!.Mixes && _onePosition[i]);
        }
    }

    /// <summary>The model's, which owns them.</summary>
    public static MovedSteps Of(LoadedModel model) => model.Owned(m => new MovedSteps(m));

    /// <param name="Reads">Indices of the sites that it reads directly, in the order of computation.</param>
    internal sealed record Step(ExactSegment Segment, IReadOnlyList<int> Reads)
    {
        /// <summary>Whether a position reads others.</summary>
        public bool Mixes => Segment.Children is not [{ InPairs: false }];

        private readonly Lock _lock = new();
        private GraphRunner? _runner;

        public GraphRunner Runner(LoadedModel model)
        {
            lock (_lock) return _runner ??= model.Runner(Segment.Graph);
        }

        public void Dispose() => _runner?.Dispose();
    }

    /// <summary>Whether some position was found to read a later one: then a move changes what lies before it too.</summary>
    public bool LooksAhead
    {
        get => _looksAhead;
        set => _looksAhead = value;
    }

    /// <summary>Per site the last one that is computed from it; the number of sites: the logits are.</summary>
    public IReadOnlyList<int> LastRead { get; }

    /// <summary>Indices of the sites that the logits are computed from.</summary>
    public IReadOnlyList<int> HeadReads { get; }

    /// <inheritdoc cref="LogitsHead.IsPositionWise"/>
    public bool HeadIsPositionWise { get; }

    /// <summary>The way to a site; null where it is computed from none.</summary>
    public Step? To(int site) => _steps[site];

    /// <summary>Whether nothing behind a site reads it but at the metric's position.</summary>
    public bool IsReadAtOnePosition(int site) => _onePosition[site];

    /// <summary>The way to the logits at one position, of all tokens or of chosen ones.</summary>
    public Step Head(bool ofTokens)
    {
        lock (_heads)
        {
            if (!_heads.TryGetValue(ofTokens, out var made)) _heads[ofTokens] = made = MakeHead(ofTokens);
            return made;
        }
    }

    private Step MakeHead(bool ofTokens)
    {
        var (g, sites) = (new GraphBuilder("moved-head/"), _model.AllSites);
        var position = g.Input(LogitsPosition, DataType.Int64, Dim.Of(1));
        var tokens = ofTokens ? g.Input(LogitsTokens, DataType.Int64, Dim.Named("chosen")) : null;
        var logits = LogitsHead.At(g, _model.Graph, sites, position, tokens);
        return new Step(ExactSegment.Build([.. HeadReads.Select(i => sites[i])], [], logits, sites), HeadReads);
    }

    /// <summary>Runs a step.</summary>
    /// <returns>Its outputs, the caller's.</returns>
    public DeviceTensor[] Run(Step step, Feed feed)
    {
        var runner = step.Runner(_model);
        return runner.RunOnDevice(feed.Values, runner.Outputs);
    }

    /// <summary>Bytes that one row takes at most: the largest step, and the sites that live beside it.</summary>
    public long BytesPerRow(int positions)
    {
        var sizes = new Dictionary<string, long> { ["position"] = positions, ["rows"] = 1, ["whole"] = 1, ["pairs"] = 1, ["chosen"] = 2 };
        return _steps.OfType<Step>().Append(Head(ofTokens: false)).Max(s => OfGraph(s.Segment.Graph))
            + (4 * sizeof(float) * positions * _model.AllSites[0].Shape![^1].Size!.Value);

        long OfGraph(OnnxGraph graph) => FlopCount.BytesPer(graph, "whole", sizes)
            + (positions * (FlopCount.BytesPer(graph, "rows", sizes) + FlopCount.BytesPer(graph, "pairs", sizes)));
    }

    public void Dispose()
    {
        foreach (var step in _steps) step?.Dispose();
        foreach (var step in _heads.Values) step.Dispose();
    }

    private Step? StepTo(Value site)
    {
        var reads = Reads(site);
        // the tensor as it is computed: the site itself is a cut
        return reads.Count == 0 ? null : new Step(ExactSegment.Build([.. reads.Select(i => _model.AllSites[i])],
            [site.Producer!.In[0]!], null, _model.AllSites, inFull: true), reads);
    }

    private List<int> Reads(Value value)
    {
        var read = Topology.DirectlyReadBy(value, _model.AllSites.ToHashSet());
        return [.. Enumerable.Range(0, _model.AllSites.Count).Where(i => read.Contains(_model.AllSites[i]))];
    }
}
