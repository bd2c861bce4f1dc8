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
    private readonly Dictionary<(string, Estimator), SegmentJacobian> _segments = [];
    private readonly Dictionary<(string, Estimator), GraphRunner> _segmentRunners = [];
    private readonly Dictionary<(MetricKind, Estimator), (IReadOnlyList<Value> Parents, GraphRunner Runner)> _heads = [];

    private readonly Dictionary<(string, Estimator), (SegmentHeads Segment, GraphRunner? Runner)> _segmentHeads = [];
    private readonly Dictionary<(MetricKind, Estimator), (SegmentHeads Segment, GraphRunner Runner)> _metricHeads = [];
    private IReadOnlyList<AttentionTensors>? _attentions;
    private readonly Dictionary<Estimator, (IReadOnlyList<Value> Parents, GraphRunner Runner)> _outputs = [];
    private ForwardPass? _forward;

    private GradientGraphs(LoadedModel model) => _model = model;

    /// <summary>The model's, which owns them.</summary>
    public static GradientGraphs Of(LoadedModel model) => model.Owned(m => new GradientGraphs(m));

    /// <summary>Sites whose gradient a pass yields.</summary>
    public static IEnumerable<Site> WithGradients(LoadedModel model) => model.Bundle.Sites
        .SkipWhile(s => !model.Selected.Contains(s))
        .Where(s => s.Kind == SiteKind.Resid || model.Selected.Contains(s));

    public static string GradientName(Site site) => site.Name + ".grad";

    /// <summary>Forward and backward in one graph: sites, logits, metric and the metric's gradient at every selected site
    /// and at the residual stream behind the first of them, which every path from there passes.</summary>
    /// <param name="sizes">Of symbolic axes, for the count of operations.</param>
    public (MetricGraph Metric, GraphRunner Runner, long Operations) Pass(MetricKind kind, Estimator estimator,
        IReadOnlyDictionary<string, long> sizes)
    {
        var (metric, graph) = PassGraph(kind, estimator);
        if (!_passes.TryGetValue((kind, estimator), out var runner)) _passes[(kind, estimator)] = runner = _model.Runner(graph);
        return (metric, runner, FlopCount.Of(graph, sizes));
    }

    /// <summary>The graph of <see cref="Pass"/>, without a session.</summary>
    public (MetricGraph Metric, OnnxGraph Graph) PassGraph(MetricKind kind, Estimator estimator) =>
        _passGraphs.TryGetValue((kind, estimator), out var made) ? made : _passGraphs[(kind, estimator)] = MakePass(kind, estimator);

    /// <summary>The model as it is, as far as transcoders need it: what they read, and what the MLPs that they stand for write.</summary>
    public ForwardPass Forward => _forward ??= new ForwardPass(_model,
        _model.SelectedSites.Select(s => s.Mlp).OfType<ReplacedMlp>().SelectMany(m => (Site[])[m.Input, m.Output]).Distinct());

    private (MetricGraph Metric, OnnxGraph Graph) MakePass(MetricKind kind, Estimator estimator)
    {
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var wanted = WithGradients(_model);
        var gradients = metric.Gradients(estimator.Rules(), [.. wanted.Select(s => _model.Graph[s.Name])], []);
        var outputs = new List<Value> { metric.Value, metric.Logits, metric.TargetToken, metric.FoilToken };
        outputs.AddRange(_model.AllSites);
        foreach (var site in wanted)
        {
            // a site that the metric does not read (its position is later, say) has no gradient at all
            if (gradients.TryGetValue(_model.Graph[site.Name], out var gradient))
            {
                outputs.Add(metric.G.Identity(gradient, GradientName(site)));
            }
        }
        var graph = new OnnxGraph([_model.Graph[ModelBundle.Tokens], .. _model.ReplacementInputs, .. metric.Inputs], outputs);
        return (metric, graph);
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
        if (!_segmentRunners.TryGetValue(key, out var runner)) _segmentRunners[key] = runner = _model.Runner(segment.Graph);
        return (segment, runner);
    }

    /// <summary>Ends the session of <see cref="Segment"/>: it is made anew when it is asked for again.</summary>
    public void CloseSegment(int downstream, Estimator estimator)
    {
        if (_segmentRunners.Remove((_model.SelectedValues[downstream].Name, estimator), out var runner)) runner.Dispose();
    }

    /// <summary>The graph of <see cref="Segment"/>, without a session.</summary>
    public SegmentJacobian? SegmentGraph(int downstream, Estimator estimator)
    {
        var values = _model.SelectedValues;
        var value = values[downstream];
        if (_segments.TryGetValue((value.Name, estimator), out var made)) return made;
        var raw = _model.SelectedSites[downstream].Read;
        var parents = Topology.DirectlyReadBy(raw, values.ToHashSet());
        if (parents.Count == 0) return null;
        return _segments[(value.Name, estimator)] =
            SegmentJacobian.Build(raw, [.. values.Where(parents.Contains)], values, estimator.Rules());
    }

    /// <summary>The metric's gradient at the sites it reads directly, along paths that meet no other selected site.</summary>
    public (IReadOnlyList<Value> Parents, GraphRunner Runner) Head(MetricKind kind, Estimator estimator)
    {
        if (_heads.TryGetValue((kind, estimator), out var made)) return made;
        var values = _model.SelectedValues;
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var read = Topology.DirectlyReadBy(metric.Value, values.ToHashSet());
        var gradients = metric.Gradients(estimator.Rules(), [.. values.Where(read.Contains)], values);
        // a site may be read and yet have no gradient, where the estimator holds fixed all that reads it
        Value[] parents = [.. values.Where(gradients.ContainsKey)];
        var outputs = parents.Select(p => metric.G.Identity(gradients[p], p.Name + ".grad")).ToList();
        var graph = new OnnxGraph([_model.Graph[ModelBundle.Tokens], .. values, .. metric.Inputs], outputs);
        return _heads[(kind, estimator)] = (parents, _model.Runner(graph));
    }

    /// <summary>The gradients of several logits at what they read directly, in one run.</summary>
    public (IReadOnlyList<Value> Parents, GraphRunner Runner) Outputs(Estimator estimator)
    {
        if (_outputs.TryGetValue(estimator, out var made)) return made;
        var (parents, graph) = OutputGraph.Build(_model, estimator);
        return _outputs[estimator] = (parents, _model.Runner(graph));
    }

    /// <summary>The model's attentions, by layer.</summary>
    /// <inheritdoc cref="ModelAttentions.Of" path="/exception"/>
    public IReadOnlyList<AttentionTensors> Attentions => _attentions ??= ModelAttentions.Of(_model);

    /// <summary>The edges into a selected site, split by heads; null where it has no upstream.</summary>
    public (SegmentHeads Segment, GraphRunner? Runner)? SegmentHeads(int downstream, Estimator estimator)
    {
        if (SegmentGraph(downstream, estimator) is not { } whole) return null;
        var value = _model.SelectedValues[downstream];
        if (_segmentHeads.TryGetValue((value.Name, estimator), out var made)) return made;
        var segment = Autodiff.SegmentHeads.Build(value.Producer!.In[0]!, [.. whole.Parents.Select(p => p.Value)],
            _model.SelectedValues, Attentions, estimator.Rules());
        return _segmentHeads[(value.Name, estimator)] = (segment, segment.NeedsNoRun ? null : _model.Runner(segment.Graph));
    }

    /// <summary>The edges into the metric, split by heads.</summary>
    public (SegmentHeads Segment, GraphRunner Runner) MetricHeads(MetricKind kind, Estimator estimator)
    {
        if (_metricHeads.TryGetValue((kind, estimator), out var made)) return made;
        var (values, rules, parents) = (_model.SelectedValues, estimator.Rules(), Head(kind, estimator).Parents);
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var passed = Autodiff.SegmentHeads.Passed(metric.Value, parents, values, Attentions, rules);
        Value[] ends = [.. passed.Select(a => a.Outputs)];
        var gradients = metric.Gradients(rules, [.. parents, .. ends], [.. values, .. ends]);
        var segment = Autodiff.SegmentHeads.OfMetric(new WalkScope(metric.G, rules, values), gradients, parents, passed);
        return _metricHeads[(kind, estimator)] = (segment, _model.Runner(segment.Graph));
    }

    public void Dispose()
    {
        foreach (var runner in _passes.Values) runner.Dispose();
        foreach (var runner in _segmentRunners.Values) runner.Dispose();
        foreach (var (_, runner) in _heads.Values) runner.Dispose();
        foreach (var (_, runner) in _segmentHeads.Values) runner?.Dispose();
        foreach (var (_, runner) in _metricHeads.Values) runner.Dispose();
        foreach (var (_, runner) in _outputs.Values) runner.Dispose();
        _forward?.Dispose();
    }
}
