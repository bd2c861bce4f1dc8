using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>
/// Whether the tensors that sites.json names are what their names say, as far as the graph can tell. Only paths along which a derivative
/// flows from the embedding of the tokens count: masks, positions and shapes do not depend on what the tokens are.
/// 1. Every operator on such a path has a gradient rule.
/// 2. Every site depends on the tokens and the logits on it;
///    none is computed from one that comes after it; all but the heads' outputs are equally wide.
/// 3. A residual site separates: no path from the embedding to the logits leads past it.
/// 4. What a sublayer adds is a summand of the next residual site, whole with its bias. Where all sublayers up to there
///    are sites, there are no other summands; where only the attentions are, the rest keeps token positions apart. What
///    reads the heads' output is the attention's output alone.
/// </summary>
internal sealed class SiteSeparation
{
    // of a block (Site.OrderInBlock): how many places it has, and those of what its sublayers add
    private const int Places = 8, AttnPlace = 2, MlpPlace = 6;

    private static readonly GradientRules s_rules = GradientRules.Gradient;

    private readonly AdoptedGraph _adopted;
    private readonly string _map;
    private readonly string _file;
    private readonly IReadOnlyList<Op> _ops;
    private readonly List<Value> _embeddings;
    private readonly HashSet<Value> _active;
    private readonly List<(Site Site, Value Value)> _sites;
    private readonly List<HashSet<Value>> _behind;

    private SiteSeparation(AdoptedGraph adopted, string map, string file)
    {
        (_adopted, _map, _file) = (adopted, map, file);
        _ops = Topology.Between([adopted.Tokens], [adopted.Logits, .. adopted.Sites.Select(adopted.Site)]);
        _embeddings = Embeddings(adopted, _ops);
        if (_embeddings.Count == 0)
        {
            throw new BundleException($"{file}: no embedding of the tokens is found (a Gather of a float table by token ids); "
                + "export the model from its token ids on");
        }
        _active = s_rules.Reached(_embeddings, _ops);
        _sites = [.. adopted.Sites.Select(s => (Site.Parse(s), adopted.Site(s)))];
        _behind = [.. _sites.Select(s => s_rules.Reached([s.Value], _ops))];
    }

    /// <param name="map">sites.json, and <paramref name="file"/> the graph's: for messages.</param>
    /// <exception cref="BundleException">A site does not separate, or an operator has no gradient rule;
    /// the message names it and the fix.</exception>
    public static void Require(AdoptedGraph adopted, string map, string file)
    {
        var check = new SiteSeparation(adopted, map, file);
        check.RequireRules();
        check.RequirePlaces();
        foreach (var (site, value) in check._sites.Where(s => IsResidual(s.Site))) check.RequireNoWayPast(site, value);
        check.RequireSummands();
        for (var i = 0; i < check._sites.Count; i++)
        {
            if (check._sites[i].Site.Kind == SiteKind.Z) check.RequireHeads(i);
        }
    }

    // as wide as the residual stream: all sites but the heads' outputs
    private Value Stream => _sites.FirstOrDefault(s => s.Site.Kind != SiteKind.Z, _sites[0]).Value;

    private static Value Raw(Value site) => site.Producer!.In[0]!.Producer!.In[0]!;

    private static List<Value> Embeddings(AdoptedGraph adopted, IReadOnlyList<Op> ops)
    {
        var onValues = Topology.DependentOn([adopted.Tokens], [.. ops.Where(o => o.Type is not ("Shape" or "Size"))]);
        return [.. ops.Where(o => o.Type == "Gather" && o.In[0]!.IsFloat && !onValues.Contains(o.In[0]!) && onValues.Contains(o.In[1]!))
            .Select(o => o.Out[0]!)];
    }

    private void RequireRules()
    {
        var toLogits = new HashSet<Value> { _adopted.Logits };
        var lacking = new List<Op>();
        foreach (var op in _ops.Reverse())
        {
            if (s_rules.Blocks(op) || !op.Out.Any(v => v is not null && toLogits.Contains(v) && _active.Contains(v))) continue;
            foreach (var v in op.In)
            {
                if (v is not null) toLogits.Add(v);
            }
            if (op.In.Any(v => v is not null && _active.Contains(v)) && !s_rules.Vjp.ContainsKey(op.Type)) lacking.Insert(0, op);
        }
        if (lacking.Count == 0)
        {
            RequireSizes(toLogits);
            return;
        }
        var first = lacking[0];
        var types = lacking.Select(o => o.Type).Distinct().Order().ToList();
        var before = _sites.Where((_, i) => first.In.Any(v => v is not null && _behind[i].Contains(v)))
            .Select(s => s.Site.Name)
            .LastOrDefault("the embedding");
        var ends = s_rules.Reached([first.Out.First(v => v is not null)!], [.. _ops]);
        var after = _sites.Where(s => ends.Contains(s.Value)).Select(s => s.Site.Name).FirstOrDefault("the logits");
        throw new BundleException($"{_file}: {Name(first)} between {before} and {after} has no gradient "
            + $"rule{(types.Count > 1 ? $" (without one are {string.Join(", ", types)})" : "")}; "
            + "export the model in float32, without quantisation, or with other operators in their place");
    }

    // operations are counted before they are run
    private void RequireSizes(HashSet<Value> toLogits)
    {
        var op = _ops.FirstOrDefault(o => o.Type is "MatMul" or "Gemm" && toLogits.Contains(o.Out[0]!)
            && o.In.Take(2).Append(o.Out[0]).Any(v => v!.Shape is null || v.Shape.Any(d => d is { Size: null, Symbol: null })));
        if (op is not null)
        {
            throw new BundleException($"{_file}: the sizes that {Name(op)} works on do not follow from the "
                + $"tokens'{ForeignGraph.Cause(op.Out[0]!)}; export the model with other operators in its place");
        }
    }

    private void RequirePlaces()
    {
        var logits = _behind.ConvertAll(b => b.Contains(_adopted.Logits));
        for (var i = 0; i < _sites.Count; i++)
        {
            var (site, value) = _sites[i];
            if (!_active.Contains(value)) throw Fault(site, "does not depend on what the tokens are; name a tensor behind the embedding");
            if (!logits[i]) throw Fault(site, "is read by nothing that leads to the logits; name the tensor that the model goes on with");
            if (site.Kind != SiteKind.Z && value.Shape![^1].Size != Stream.Shape![^1].Size)
            {
                throw Fault(site, $"has width {value.Shape[^1]} where {Stream.Name} has {Stream.Shape[^1]}; "
                    + "what a sublayer adds is as wide as the residual stream");
            }
            for (var j = i + 1; j < _sites.Count; j++)
            {
                if (_behind[j].Contains(value) && j != i)
                {
                    throw Fault(site, $"is computed from {_sites[j].Site} ('{Tensor(_sites[j].Site)}'), "
                        + "which comes after it in a model; exchange the two");
                }
            }
        }
    }

    private void RequireNoWayPast(Site site, Value value)
    {
        var past = s_rules.Reached(_embeddings, Topology.Between([value], [_adopted.Logits]));
        if (!past.Contains(_adopted.Logits)) return;
        var behind = _behind[_sites.FindIndex(s => s.Site == site)];
        var joint = _ops.FirstOrDefault(o => !s_rules.Blocks(o) && o.Out.Any(v => v is not null && past.Contains(v))
            && o.In.Any(v => v is not null && behind.Contains(v) && !past.Contains(v))
            && o.In.Any(v => v is not null && past.Contains(v)))
            ?? _ops.First(o => o.In.Any(v => v is not null && past.Contains(v)) && o.Out.Contains(_adopted.Logits));
        throw Fault(site, $"does not separate the graph: {Name(joint)} reads "
            + $"'{Written(joint.In.First(v => v is not null && past.Contains(v))!)}' past it; "
            + "name the residual stream itself, which everything behind reads");
    }

    private void RequireSummands()
    {
        var stops = _sites.ConvertAll(s => s.Value);
        var ends = _sites.FindAll(s => IsResidual(s.Site));
        var start = -1;   // before the first residual site there is the embedding, whatever becomes of it
        foreach (var (end, value) in ends)
        {
            var between = _sites.Where(s => !IsResidual(s.Site) && Place(s.Site) > start && Place(s.Site) < Place(end)).ToList();
            var outs = between.FindAll(s => s.Site.Kind != SiteKind.Z);
            if (between.Count > 0)
            {
                var sum = SiteSummands.Of(Raw(value), stops, _active);
                foreach (var (site, v) in outs) RequireSummand(site, v, end, sum);
                RequireRest(start, (end, value), between, sum);
            }
            start = Place(end);
        }
    }

    private void RequireSummand(Site site, Value value, Site end, SiteSummands sum)
    {
        if (sum.BiasBehind(value) is { } bias)
        {
            throw Fault(site,
                $"is not the whole of what is added to the residual stream: {Name(bias)} adds a bias to it; name the tensor behind that");
        }
        if (sum.Sites.Contains(value)) return;
        var behind = _behind[_sites.FindIndex(s => s.Site == site)];
        var op = sum.Others.Select(v => v.Producer!).FirstOrDefault(o => o.In.Any(v => v is not null && behind.Contains(v)));
        throw Fault(site, op is null ? $"is not added to the residual stream before {end}; name the tensor that is"
            : $"is not what is added to the residual stream: {Name(op)} lies between it and {end}; name the tensor behind that");
    }

    private void RequireRest(int start, (Site Site, Value Value) last, List<(Site Site, Value Value)> between, SiteSummands sum)
    {
        var (end, value) = last;
        // places of the sublayers between the two residual sites
        var places = Enumerable.Range(start + 1, Place(end) - start - 1).ToList();
        bool Listed(int place) => between.Any(s => Place(s.Site) == place);
        var all = places.Where(p => p % Places is AttnPlace or MlpPlace).All(Listed);
        var attentions = places.Where(p => p % Places == AttnPlace).All(p => Listed(p) || Listed(p - 1));
        if (all && start >= 0 && sum.Others.FirstOrDefault() is { } other)
        {
            throw Fault(end, $"is more than the sum of the sites before it: '{Written(other)}' ({Name(other.Producer!)}) is added too, "
                + $"past {string.Join(" and ", between.Select(s => s.Site.Name).Take(2))}; name the tensors that are added");
        }
        if (all || !attentions) return;
        if (Mixer(Raw(value), _sites.ConvertAll(s => s.Value)) is { } mixer)
        {
            throw Fault(between.First(s => s.Site.Kind is SiteKind.Attn or SiteKind.Z).Site,
                $"does not hold all of the attention: {Name(mixer)} mixes token positions on a way to {end} past it; "
                + "name the tensor that is added to the residual stream");
        }
    }

    // the first operator on the way from the sites to the value that reads other positions
    private Op? Mixer(Value value, List<Value> stops)
    {
        var axes = stops.ToDictionary(s => s, _ => 1);
        foreach (var op in Topology.Between(stops, [value]))
        {
            var moves = Enumerable.Range(0, op.In.Count)
                .Where(i => op.In[i] is { } v && _active.Contains(v) && axes.ContainsKey(v))
                .ToDictionary(i => i, i => axes[op.In[i]!]);
            if (moves.Count == 0 || s_rules.Blocks(op)) continue;
            var axis = PositionFlow.OutputAxis(op, moves);
            if (axis < 0) return op;
            foreach (var v in op.Out)
            {
                if (v is not null) axes[v] = axis;
            }
        }
        return null;
    }

    private void RequireHeads(int i)
    {
        var (heads, value) = _sites[i];
        var output = _sites.FindIndex(s => s.Site.Name == $"blocks.{heads.Layer}.hook_attn_out");
        if (output < 0) return;
        var raw = Raw(_sites[output].Value);
        var ops = Topology.Between([.. _sites.Select(s => s.Value)], [raw]);
        if (!s_rules.Reached([value], ops).Contains(raw))
        {
            throw Fault(heads, $"is not read by {_sites[output].Site}; name the heads' output, before the output projection");
        }
        var past = s_rules.Reached(
            [.. _embeddings.Where(e => ops.Any(o => o.Out.Contains(e))), .. _sites.Where((_, j) => j != i).Select(s => s.Value)], ops);
        if (!past.Contains(raw)) return;
        var op = ops.First(o => o.In.Any(v => v is not null && past.Contains(v)) && o.Out.Any(v => v is not null && past.Contains(v)));
        throw Fault(heads, $"does not separate: {Name(op)} leads to {_sites[output].Site} past it; name the output of all heads");
    }

    // where a site stands in the order of computation
    private static int Place(Site s) => (Places * s.Layer) + s.OrderInBlock;

    private static bool IsResidual(Site s) => s.Kind is SiteKind.Resid or SiteKind.ResidMid;

    private string Tensor(Site site) => _adopted.Tensors[site.Name];

    private static string Name(Op op) => ForeignGraph.Named(op);

    private static string Written(Value v) => ForeignGraph.Written(v.Name);

    private BundleException Fault(Site site, string what) => new($"{_map}: {site} ('{Tensor(site)}') {what}");
}
