using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Model;

/// <summary>
/// The model cut at every site of its bundle: a graph per site that computes it from the sites it reads directly, and one for
/// the logits at one position. Each weight lies in one of these graphs. A site may be given with batch 1 where others have more:
/// what no change has reached is computed once and broadcast.
/// </summary>
internal sealed class SegmentedModel : IDisposable
{
    private const string Position = "logits.position";

    private readonly OnnxGraph _graph;
    private readonly RunContext _context;
    private readonly string _weights;
    private readonly List<Step> _steps = [];

    /// <param name="Reads">Indices of the sites that the step reads, in the order of computation.</param>
    private sealed record Step(OnnxGraph Graph, IReadOnlyList<int> Reads, string Output)
    {
        private readonly Lock _lock = new();
        private GraphRunner? _runner;

        public GraphRunner Runner(RunContext context, string weights)
        {
            lock (_lock) return _runner ??= new GraphRunner(Graph, context, weights);
        }

        public void Dispose() => _runner?.Dispose();
    }

    public SegmentedModel(ModelBundle bundle, RunContext context)
    {
        (_context, _weights) = (context, bundle.Directory);
        _graph = bundle.WithoutInterventions(batch: null);
        Value[] sites = [.. bundle.Sites.Select(s => _graph[s.Name])];
        foreach (var site in sites) Add(sites, site, [_graph[ModelBundle.Tokens]]);
        AddHead(sites, bundle);
        LastRead = [.. Enumerable.Range(0, sites.Length)
            .Select(s => Enumerable.Range(0, _steps.Count).Where(i => _steps[i].Reads.Contains(s)).DefaultIfEmpty(s).Max())];
    }

    /// <summary>The step that yields the logits; those before it yield the bundle's sites, in their order.</summary>
    public int Head => _steps.Count - 1;

    /// <summary>Per site, the last step that reads it.</summary>
    public IReadOnlyList<int> LastRead { get; }

    /// <summary>Indices of the sites that a step reads directly.</summary>
    public IReadOnlyList<int> Reads(int step) => _steps[step].Reads;

    /// <summary>One step: a site [rows, T, d], or the logits [rows, vocabulary] at <paramref name="position"/>.</summary>
    /// <param name="sites">By index; those that the step reads, [rows or 1, T, d].</param>
    /// <returns>The caller's; [1, …] where all that is read has one row.</returns>
    public DeviceTensor Run(int step, IReadOnlyList<DeviceTensor?> sites, int[] tokens, int position) =>
        Run(step, sites, Array.ConvertAll(tokens, t => (long)t), 1, position);

    /// <summary>As above, on several prompts side by side.</summary>
    /// <param name="ids">[prompts, T]; a site may have a row per prompt then.</param>
    public DeviceTensor Run(int step, IReadOnlyList<DeviceTensor?> sites, long[] ids, int prompts, int position)
    {
        var s = _steps[step];
        using var feed = new Feed().AddTokens(ids, prompts).Add(Position, new long[] { position }, 1);
        foreach (var i in s.Reads) feed.Lend(_steps[i].Output, sites[i]!.Value);
        return s.Runner(_context, _weights).RunOnDevice(feed.Values, [s.Output])[0];
    }

    /// <summary>Goes on from one changed site: every site that the change reaches is computed again.</summary>
    /// <param name="changed">[prompts, T, d]; from now on the result's.</param>
    /// <param name="clean">Every site of the unchanged run.</param>
    /// <param name="ids">[prompts, T].</param>
    /// <returns>By index, the caller's: the changed sites, null where the clean run's still holds.</returns>
    public DeviceTensor?[] Resume(int site, DeviceTensor changed, IReadOnlyList<DeviceTensor?> clean, long[] ids, int prompts)
    {
        var result = new DeviceTensor?[clean.Count];
        result[site] = changed;
        try
        {
            for (var i = site + 1; i < result.Length; i++)
            {
                if (!Reads(i).Any(r => result[r] is not null)) continue;
                result[i] = Run(i, [.. clean.Select((x, s) => result[s] ?? x)], ids, prompts, 0);
            }
            return result;
        }
        catch
        {
            foreach (var x in result) x?.Dispose();
            throw;
        }
    }

    /// <summary>Floating-point operations of a step for one row.</summary>
    public long Operations(int step, int positions) => FlopCount.Of(_steps[step].Graph, Sizes(positions));

    /// <summary>Bytes that one row takes at most: the largest step, and the sites that live beside it.</summary>
    public long BytesPerRow(int positions) => _steps.Max(s => FlopCount.BytesPer(s.Graph, "batch", Sizes(positions)))
        + (4 * sizeof(float) * positions * _graph[_steps[0].Output].Shape![^1].Size!.Value);

    public void Dispose()
    {
        foreach (var step in _steps) step.Dispose();
    }

    private static Dictionary<string, long> Sizes(int positions) => new() { ["position"] = positions, ["batch"] = 1 };

    private void AddHead(Value[] sites, ModelBundle bundle)
    {
        var g = new GraphBuilder("head/");
        var position = g.Input(Position, DataType.Int64, Dim.Of(1));
        var one = bundle.WithoutInterventions(batch: 1);
        Value[] itsSites = [.. bundle.Sites.Select(s => one[s.Name])];
        var logits = LogitsHead.IsPositionWise(one, itsSites)
            ? LogitsHead.OfRows(g, (sites[^1], null), one, itsSites, position)
            : g.Squeeze(g.Gather(_graph[ModelBundle.Logits], position, 1), 1);
        Add(sites, g.Identity(logits, "logits_at_position"), [_graph[ModelBundle.Tokens], position]);
    }

    private void Add(Value[] sites, Value output, Value[] inputs)
    {
        var read = Topology.DirectlyReadBy(output, sites.ToHashSet());
        var reads = Enumerable.Range(0, sites.Length).Where(i => read.Contains(sites[i])).ToList();
        var graph = new OnnxGraph([.. reads.Select(i => sites[i]), .. inputs], [output]) { Broadcast = read.ToHashSet() };
        _steps.Add(new Step(graph, reads, output.Name));
    }
}
