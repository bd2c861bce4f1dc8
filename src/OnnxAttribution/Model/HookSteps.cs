using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Model;

/// <summary>
/// The model cut at its sites and at hooks between them. Where a step meets no hook it is the <see cref="SegmentedModel"/>'s, whose
/// sessions are there already; the others are made when they are first run. The model owns it.
/// </summary>
internal sealed class HookSteps : IDisposable
{
    private const string Position = "logits.position", AtPosition = "logits_at_position";

    private readonly LoadedModel _model;
    private readonly OnnxGraph _graph;
    private readonly Value _position;
    private readonly Value _logits;
    private readonly Dictionary<string, Part> _parts = [];
    private readonly Lock _lock = new();

    private HookSteps(LoadedModel model)
    {
        _model = model;
        _graph = OpenedNorms.Of(model.Bundle.WithoutInterventions(batch: null), model.Bundle.Manifest.Hooks);
        Hooks = new HookTable(model.Bundle, _graph);
        Sites = [.. model.Bundle.Sites.Select(s => _graph[s.Name])];
        var g = new GraphBuilder("hooked/");
        _position = g.Input(Position, DataType.Int64, Dim.Of(1));
        _logits = g.Identity(g.Squeeze(g.Gather(_graph[ModelBundle.Logits], _position, 1), 1), AtPosition);
    }

    public static HookSteps Of(LoadedModel model) => model.Owned(m => new HookSteps(m));

    public HookTable Hooks { get; }

    /// <summary>The bundle's sites, by index.</summary>
    public IReadOnlyList<Value> Sites { get; }

    /// <summary>One step: what it computes, and which stops it reads.</summary>
    /// <param name="output">A site's or hook's tensor; null: the logits at a position, [rows, vocabulary].</param>
    /// <param name="stops">Where the model is cut: its sites, and hooks.</param>
    public HookStep Step(Value? output, IReadOnlyList<Value> stops)
    {
        var target = output ?? _logits;
        var reads = Topology.DirectlyReadBy(target, stops.ToHashSet());
        Value[] ordered = [.. stops.Where(reads.Contains)];
        var site = output is null ? _model.Steps.Head : Sites.ToList().IndexOf(output);
        var isPlain = site >= 0 && ordered.All(Sites.Contains);
        return new HookStep(ordered, isPlain ? site : null, isPlain ? null : PartOf(target, ordered));
    }

    /// <summary>Runs a step that has a graph of its own.</summary>
    /// <param name="reads">The stops' tensors, each [rows, …].</param>
    /// <returns>The caller's; [rows, …].</returns>
    public DeviceTensor Run(HookStep step, IReadOnlyList<DeviceTensor> reads, (int[] Tokens, int Rows) prompt, int position)
    {
        var part = step.Part!;
        var ids = new long[prompt.Rows * prompt.Tokens.Length];
        for (var i = 0; i < ids.Length; i++) ids[i] = prompt.Tokens[i % prompt.Tokens.Length];
        using var feed = new Feed().AddTokens(ids, prompt.Rows).Add(Position, new long[] { position }, 1);
        foreach (var (stop, value) in step.Reads.Zip(reads)) feed.Lend(stop.Name, value.Value);
        return part.Runner(_model).RunOnDevice(feed.Values, [part.Graph.Outputs[0].Name])[0];
    }

    public void Dispose()
    {
        foreach (var part in _parts.Values) part.Dispose();
    }

    private Part PartOf(Value output, IReadOnlyList<Value> reads)
    {
        var key = $"{output.Name} {string.Join(' ', reads.Select(r => r.Name))}";
        lock (_lock)
        {
            if (_parts.TryGetValue(key, out var made)) return made;
            Value[] inputs = [.. reads, _graph[ModelBundle.Tokens], _position];
            // a step may read nothing but what it yields, and the runtime has one tensor for a name
            return _parts[key] = new Part(new OnnxGraph(inputs, [output]));
        }
    }

    /// <summary>A step's graph, and its session once it has run.</summary>
    internal sealed class Part(OnnxGraph graph) : IDisposable
    {
        private readonly Lock _lock = new();
        private GraphRunner? _runner;

        public OnnxGraph Graph => graph;

        public GraphRunner Runner(LoadedModel model)
        {
            lock (_lock) return _runner ??= model.Runner(graph);
        }

        public void Dispose() => _runner?.Dispose();
    }
}

/// <summary>A part of the model between stops.</summary>
/// <param name="Reads">The stops that it reads, in the order of computation.</param>
/// <param name="Plain">Where it meets no hook, the step of the <see cref="SegmentedModel"/> that it is.</param>
/// <param name="Part">Else its graph.</param>
internal sealed record HookStep(IReadOnlyList<Value> Reads, int? Plain, HookSteps.Part? Part)
{
    /// <summary>Bytes that one row takes while a graph of its own runs.</summary>
    public long BytesPerRow(int positions) => Part is null ? 0
        : FlopCount.BytesPer(Part.Graph, "batch", new Dictionary<string, long> { ["position"] = positions, ["batch"] = 1 });
}
