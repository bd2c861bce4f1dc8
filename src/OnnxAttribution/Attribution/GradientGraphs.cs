using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>A loaded model's gradient graphs: passes, segments and metric edges, one of each per estimator.</summary>
/// <remarks>They are made when they are first needed and live as long as the model, so that many prompts pay for them once.</remarks>
internal sealed class GradientGraphs : IDisposable
{
    private readonly LoadedModel _model;
    private readonly Dictionary<(MetricKind, Estimator), (MetricGraph Metric, OnnxGraph Graph)> _passGraphs = [];
    private readonly Dictionary<(MetricKind, Estimator), GraphRunner> _passes = [];
    private readonly Dictionary<(MetricKind, Estimator, long), long> _passBytes = [];
    private readonly Dictionary<(string, Estimator), SegmentJacobian?> _segments = [];
    private readonly Dictionary<(string, Estimator), GraphRunner> _segmentRunners = [];
    private readonly Dictionary<(MetricKind, Estimator), (IReadOnlyList<Value> Parents, GraphRunner Runner)> _heads = [];

    private readonly Dictionary<(string, Estimator), (SegmentHeads Segment, GraphRunner? Runner)> _segmentHeads = [];
    private readonly Dictionary<(MetricKind, Estimator), (SegmentHeads Segment, GraphRunner Runner)> _metricHeads = [];
    private IReadOnlyList<AttentionTensors>? _attentions;
    private readonly Dictionary<Estimator, (IReadOnlyList<Value> Parents, GraphRunner Runner)> _outputs = [];
    private readonly Dictionary<(MetricKind, Estimator), OnnxGraph> _batchGraphs = [];
    private readonly Dictionary<(MetricKind, Estimator), GraphRunner> _batches = [];
    private readonly Lazy<OnnxGraph> _anyBatch;
    private readonly Lazy<ForwardPass> _forward;
    private readonly Lock _lock = new();

    private GradientGraphs(LoadedModel model)
    {
        _model = model;
        _anyBatch = new(() => model.Bundle.WithoutInterventions(batch: null));
        _forward = new(() => new ForwardPass(_model,
            _model.SelectedSites.Select(s => s.Mlp).OfType<ReplacedMlp>().SelectMany(m => (Site[])[m.Input, m.Output]).Distinct()));
    }

    /// <summary>The model's, which owns them.</summary>
    public static GradientGraphs Of(LoadedModel model) => model.Owned(m => new GradientGraphs(m));

    /// <summary>Sites whose gradient a pass yields.</summary>
    public static IEnumerable<Site> WithGradients(LoadedModel model) => model.Bundle.Sites
        .SkipWhile(s => !model.Selected.Contains(s))
        .Where(s => s.Kind == SiteKind.Resid || model.Selected.Contains(s));

    /// <summary>The kind of metric that passes have: kl has gradient 0 at the clean run.</summary>
    public static MetricKind PassKind(GraphOptions options) =>
        options.Metric.Kind == MetricKind.Kl ? MetricKind.Logit : options.Metric.Kind;

    public static string GradientName(Site site) => site.Name + ".grad";

    /// <summary>Forward and backward in one graph: sites, logits, metric and the metric's gradient at every selected site
    /// and at the residual stream behind the first of them, which every path from there passes.</summary>
    /// <param name="sizes">Of symbolic axes, for the count of operations.</param>
    public (MetricGraph Metric, GraphRunner Runner, long Operations) Pass(MetricKind kind, Estimator estimator,
        IReadOnlyDictionary<string, long> sizes)
    {
        var (metric, graph) = PassGraph(kind, estimator);
        return (metric, Made(_passes, (kind, estimator), () => _model.Runner(graph)), FlopCount.Of(graph, sizes));
    }

    /// <summary>The graph of <see cref="Pass"/>, without a session.</summary>
    public (MetricGraph Metric, OnnxGraph Graph) PassGraph(MetricKind kind, Estimator estimator) =>
        Made(_passGraphs, (kind, estimator), () => MakePass(kind, estimator));

    /// <summary>Bytes that tensors between inputs and outputs of <see cref="Pass"/> take at once (<see cref="LiveMemory"/>).</summary>
    /// <param name="sizes">Of symbolic axes; of a model without replacements the prompt's length, which is counted once.</param>
    public long PassBytes(MetricKind kind, Estimator estimator, IReadOnlyDictionary<string, long> sizes)
    {
        var graph = PassGraph(kind, estimator).Graph;
        return _model.IsReplaced ? LiveMemory.Peak(graph, sizes)
            : Made(_passBytes, (kind, estimator, sizes["position"]), () => LiveMemory.Peak(graph, sizes));
    }

    /// <summary>Whether the model's graph takes prompts side by side.</summary>
    public bool TakesBatches => _anyBatch.Value[ModelBundle.Tokens].Shape![0].Size is null;

    /// <summary>As <see cref="Pass"/>, of prompts side by side, each with its own tokens of the metric; all is [batch, ...].</summary>
    public (GraphRunner Runner, OnnxGraph Graph) Batch(MetricKind kind, Estimator estimator)
    {
        var graph = BatchGraph(kind, estimator);
        return (Made(_batches, (kind, estimator), () => _model.Runner(graph)), graph);
    }

    /// <summary>The graph of <see cref="Batch"/>, without a session.</summary>
    public OnnxGraph BatchGraph(MetricKind kind, Estimator estimator) =>
        Made(_batchGraphs, (kind, estimator), () => MakeBatch(kind, estimator));

    /// <summary>The model as it is, as far as transcoders need it: what they read, and what the MLPs that they stand for write.</summary>
    public ForwardPass Forward => _forward.Value;

    private T Made<TKey, T>(Dictionary<TKey, T> made, TKey key, Func<T> make) where TKey : notnull
    {
        lock (_lock) return made.TryGetValue(key, out var found) ? found : made[key] = make();
    }

    private (MetricGraph Metric, OnnxGraph Graph) MakePass(MetricKind kind, Estimator estimator)
    {
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        return (metric, PassOf(_model.Graph, _model.AllSites, metric, estimator));
    }

    private OnnxGraph MakeBatch(MetricKind kind, Estimator estimator)
    {
        var model = _anyBatch.Value;
        Value[] sites = [.. _model.Bundle.Sites.Select(s => model[s.Name])];
        return PassOf(model, sites, MetricGraph.OfPrompts(model, kind, sites, _model), estimator);
    }

    private OnnxGraph PassOf(OnnxGraph model, IReadOnlyList<Value> sites, MetricGraph metric, Estimator estimator)
    {
        var wanted = WithGradients(_model);
        var gradients = metric.Gradients(estimator.Rules(), [.. wanted.Select(s => model[s.Name])], []);
        var outputs = new List<Value> { metric.Value, metric.Logits, metric.TargetToken, metric.FoilToken };
        outputs.AddRange(sites);
        foreach (var site in wanted)
        {
            // a site that the metric does not read (its position is later, say) has no gradient at all
            if (gradients.TryGetValue(model[site.Name], out var gradient)) outputs.Add(metric.G.Identity(gradient, GradientName(site)));
        }
        return new OnnxGraph([model[ModelBundle.Tokens], .. _model.ReplacementInputs, .. metric.Inputs], outputs);
    }

    /// <summary>Floating-point operations of one forward pass, with the logits at one position.</summary>
    public long ForwardOperations(IReadOnlyDictionary<string, long> sizes)
    {
        var g = new GraphBuilder("forward/");
        var position = g.Input(MetricGraph.Position, DataType.Int64, Dim.Of(1));
        var logits = LogitsHead.At(g, _model.Graph, _model.AllSites, position);
        return FlopCount.Of(new OnnxGraph([_model.Graph[ModelBundle.Tokens], .. _model.ReplacementInputs, position], [logits]), sizes);
    }

    /// <summary>The graph of all direct edges into a selected site; null where it has no upstream.</summary>
    public (SegmentJacobian Segment, GraphRunner? Runner)? Segment(int downstream, Estimator estimator)
    {
        if (SegmentGraph(downstream, estimator) is not { } segment) return null;
        if (segment.NeedsNoRun) return (segment, null);
        var key = (_model.SelectedValues[downstream].Name, estimator);
        return (segment, Made(_segmentRunners, key, () => _model.Runner(segment.Graph)));
    }

    /// <summary>Ends the session of <see cref="Segment"/>, which nobody may be running; it is made anew when it is asked for.</summary>
    public void CloseSegment(int downstream, Estimator estimator)
    {
        lock (_lock)
        {
            if (_segmentRunners.Remove((_model.SelectedValues[downstream].Name, estimator), out var runner)) runner.Dispose();
        }
    }

    /// <summary>The graph of <see cref="Segment"/>, without a session.</summary>
    public SegmentJacobian? SegmentGraph(int downstream, Estimator estimator) =>
        Made(_segments, (_model.SelectedValues[downstream].Name, estimator), () => MakeSegment(downstream, estimator));

    private SegmentJacobian? MakeSegment(int downstream, Estimator estimator)
    {
        var values = _model.SelectedValues;
        var raw = _model.SelectedSites[downstream].Read;
        var parents = Topology.DirectlyReadBy(raw, values.ToHashSet());
        return parents.Count == 0 ? null : SegmentJacobian.Build(raw, [.. values.Where(parents.Contains)], values, estimator.Rules());
    }

    /// <summary>The metric's gradient at the sites it reads directly, along paths that meet no other selected site.</summary>
    public (IReadOnlyList<Value> Parents, GraphRunner Runner) Head(MetricKind kind, Estimator estimator) =>
        Made(_heads, (kind, estimator), () => MakeHead(kind, estimator));

    private (IReadOnlyList<Value> Parents, GraphRunner Runner) MakeHead(MetricKind kind, Estimator estimator)
    {
        var values = _model.SelectedValues;
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var read = Topology.DirectlyReadBy(metric.Value, values.ToHashSet());
        var gradients = metric.Gradients(estimator.Rules(), [.. values.Where(read.Contains)], values);
        // a site may be read and yet have no gradient, where the estimator holds fixed all that reads it
        Value[] parents = [.. values.Where(gradients.ContainsKey)];
        var outputs = parents.Select(p => metric.G.Identity(gradients[p], p.Name + ".grad")).ToList();
        var graph = new OnnxGraph([_model.Graph[ModelBundle.Tokens], .. values, .. metric.Inputs], outputs);
        return (parents, _model.Runner(graph));
    }

    /// <summary>The gradients of several logits at what they read directly, in one run.</summary>
    public (IReadOnlyList<Value> Parents, GraphRunner Runner) Outputs(Estimator estimator) => Made(_outputs, estimator, () =>
    {
        var (parents, graph) = OutputGraph.Build(_model, estimator);
        return (parents, _model.Runner(graph));
    });

    /// <summary>The model's attentions, by layer.</summary>
    /// <inheritdoc cref="ModelAttentions.Of" path="/exception"/>
    public IReadOnlyList<AttentionTensors> Attentions
    {
        get
        {
            lock (_lock) return _attentions ??= ModelAttentions.Of(_model);
        }
    }

    /// <summary>The edges into a selected site, split by heads; null where it has no upstream.</summary>
    public (SegmentHeads Segment, GraphRunner? Runner)? SegmentHeads(int downstream, Estimator estimator)
    {
        if (SegmentGraph(downstream, estimator) is not { } whole) return null;
        var value = _model.SelectedValues[downstream];
        return Made(_segmentHeads, (value.Name, estimator), () =>
        {
            var segment = Autodiff.SegmentHeads.Build(value.Producer!.In[0]!, [.. whole.Parents.Select(p => p.Value)],
                _model.SelectedValues, Attentions, estimator.Rules());
            return (segment, segment.NeedsNoRun ? null : _model.Runner(segment.Graph));
        });
    }

    /// <summary>The edges into the metric, split by heads.</summary>
    public (SegmentHeads Segment, GraphRunner Runner) MetricHeads(MetricKind kind, Estimator estimator) =>
        Made(_metricHeads, (kind, estimator), () => MakeMetricHeads(kind, estimator));

    private (SegmentHeads Segment, GraphRunner Runner) MakeMetricHeads(MetricKind kind, Estimator estimator)
    {
        var (values, rules, parents) = (_model.SelectedValues, estimator.Rules(), Head(kind, estimator).Parents);
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var passed = Autodiff.SegmentHeads.Passed(metric.Value, parents, values, Attentions, rules);
        Value[] ends = [.. passed.Select(a => a.Outputs)];
        var gradients = metric.Gradients(rules, [.. parents, .. ends], [.. values, .. ends]);
        var segment = Autodiff.SegmentHeads.OfMetric(new WalkScope(metric.G, rules, values), gradients, parents, passed);
        return (segment, _model.Runner(segment.Graph));
    }

    public void Dispose()
    {
        foreach (var runner in _passes.Values) runner.Dispose();
        foreach (var runner in _batches.Values) runner.Dispose();
        foreach (var runner in _segmentRunners.Values) runner.Dispose();
        foreach (var (_, runner) in _heads.Values) runner.Dispose();
        foreach (var (_, runner) in _segmentHeads.Values) runner?.Dispose();
        foreach (var (_, runner) in _metricHeads.Values) runner.Dispose();
        foreach (var (_, runner) in _outputs.Values) runner.Dispose();
        if (_forward.IsValueCreated) _forward.Value.Dispose();
    }
}
