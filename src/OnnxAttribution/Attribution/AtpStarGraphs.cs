using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>A loaded model's graphs for AtP*: one of backward passes in which what blocks add gets no gradient, and two of moves for each
/// attention that a selected site acts through.</summary>
/// <remarks>They are made when they are first needed and live as long as the model.</remarks>
internal sealed class AtpStarGraphs : IDisposable
{
    /// <summary>float32 [passes, blocks]: 1 where the gradient goes on through what a block adds, 0 where it is dropped.</summary>
    public const string Keep = "graddrop.keep";

    private readonly LoadedModel _model;
    private readonly IReadOnlyList<IReadOnlyList<Value>> _blocks;
    private readonly Dictionary<MetricKind, PassGraph> _passes = [];

    private AtpStarGraphs(LoadedModel model)
    {
        _model = model;
        _blocks = BlockOutputs.Of(model);
        Attentions = [.. FindAttentions()];
    }

    /// <summary>The model's, which owns them.</summary>
    /// <exception cref="AttributionException">Blocks cannot be told apart.</exception>
    public static AtpStarGraphs Of(LoadedModel model) => model.Owned(m => new AtpStarGraphs(m));

    /// <summary>Blocks of the model: so many passes drop a gradient.</summary>
    public int Blocks => _blocks.Count;

    /// <summary>Attention whose scores read one selected site and no other site of the model: what that site does to it through queries
    /// and keys is computed again.</summary>
    public IReadOnlyList<Attention> Attentions { get; }

    /// <param name="Site">Index of the selected site.</param>
    /// <param name="Pattern">What the softmax yields, [1, H, position, position].</param>
    /// <param name="Sides">Graphs of <see cref="AttentionMove"/>: one side of the scores moves in each.</param>
    internal sealed record Attention(int Site, Value Pattern, IReadOnlyList<OnnxGraph> Sides)
    {
        /// <summary>Output [passes, 1, H, T, T]: the metric's gradient at the pattern.</summary>
        public string PatternGradient => Pattern.Name + ".pattern.grad";

        /// <summary>Output [passes, 1, T, d]: of the site's gradient the part through queries and keys.</summary>
        public string ScoresGradient => Pattern.Name + ".scores.grad";

        public GraphRunner?[] Runners { get; } = new GraphRunner?[Sides.Count];
    }

    /// <param name="Graph">Outputs: the metric's gradient at selected sites, [passes, 1, T, d], and what attention adds to that.</param>
    internal sealed record PassGraph(OnnxGraph Graph, GraphRunner Runner);

    /// <summary>The graph of the passes: one forward, and a row of backward passes.</summary>
    public PassGraph Pass(MetricKind kind)
    {
        lock (_passes) return _passes.TryGetValue(kind, out var made) ? made : _passes[kind] = MakePass(kind);
    }

    /// <summary>The session of one side of an attention.</summary>
    public GraphRunner Runner(Attention attention, int side)
    {
        lock (attention) return attention.Runners[side] ??= _model.Runner(attention.Sides[side]);
    }

    public void Dispose()
    {
        foreach (var pass in _passes.Values) pass.Runner.Dispose();
        foreach (var runner in Attentions.SelectMany(a => a.Runners)) runner?.Dispose();
    }

    private IEnumerable<Attention> FindAttentions()
    {
        var sites = _model.AllSites.ToHashSet();
        foreach (var op in Topology.Between([], [_model.Graph[ModelBundle.Logits]]).Where(InteractionRules.IsAttention))
        {
            var pattern = op.Out[0]!;
            if (Topology.DirectlyReadBy(pattern, sites) is not [var only] || _model.SelectedSite(only) is not { } site) continue;
            var product = InteractionRules.Scores(op.In[0]!)!;
            yield return new Attention(site.Index, pattern,
                [.. product.In.Select(held => AttentionMove.Build(only, pattern, held!, _model.AllSites))]);
        }
    }

    private PassGraph MakePass(MetricKind kind)
    {
        var metric = MetricGraph.Build(_model.Graph, kind, _model.AllSites);
        var g = metric.G;
        var keep = g.Input(Keep, DataType.Float, Dim.Named("passes"), Dim.Of(_blocks.Count));
        var gates = new Dictionary<Value, Value>();
        for (var l = 0; l < _blocks.Count; l++)
        {
            var column = g.Slice(keep, g.Ints(l), g.Ints(l + 1), g.Ints(1));                     // [passes, 1]
            foreach (var term in _blocks[l]) gates[term] = Spread(g, column, term.Rank + 1);
        }
        Value[] wanted = [.. _model.SelectedValues, .. Attentions.Select(a => a.Pattern)];
        var one = g.Expand(g.Scalar(1), g.Concat(0, g.Shape(keep, 0, 1), g.Shape(metric.Value)));   // [passes, 1]
        var scope = new WalkScope(g, GradientRules.Gradient, []) { Gates = gates };
        var gradients = PullBack.FromWhole(scope, metric.Value, one, wanted);
        var outputs = _model.SelectedSites.Where(s => gradients.ContainsKey(s.Value))
            .Select(s => g.Identity(gradients[s.Value], GradientGraphs.GradientName(s.Site)))
            .ToList();
        foreach (var attention in Attentions.Where(a => gradients.ContainsKey(a.Pattern)))
        {
            var (site, cut) = (_model.SelectedValues[attention.Site], new WalkScope(g, GradientRules.Gradient, _model.AllSites));
            var scores = PullBack.FromWhole(cut, attention.Pattern, gradients[attention.Pattern], [site]);
            outputs.Add(g.Identity(gradients[attention.Pattern], attention.PatternGradient));
            outputs.Add(g.Identity(scores[site], attention.ScoresGradient));
        }
        var graph = new OnnxGraph([_model.Graph[ModelBundle.Tokens], .. metric.Inputs, keep], outputs);
        return new PassGraph(graph, _model.Runner(graph));
    }

    private static Value Spread(GraphBuilder g, Value column, int rank) =>
        rank == 2 ? column : g.Unsqueeze(column, [.. Enumerable.Range(2, rank - 2).Select(i => (long)i)]);
}
