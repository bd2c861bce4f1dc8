using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// One site of a model as it follows from the sites before it, at chosen positions: what a pass runs that keeps sites alone, and no more
/// rows of an attention's pattern than there is room for.
/// 1. Keys and values are <see cref="Mixed"/>: read at all positions, they are computed whole, once; with them the tables of
///    <see cref="Prefix"/>.
/// 2. <see cref="Forward"/> yields the site at some positions, given what it reads and what is mixed. So of patterns there are these rows.
///    Where the graph shows that no position reads a later one, all that is given may end behind the last of them.
/// 3. <see cref="PullBack"/>: its cotangents at some positions go to the same positions of what it reads, in rows, and add up at what is
///    mixed; from there one more graph pulls the sums back, once.
/// </summary>
/// <remarks>Chen et al. 2016 (arXiv:1604.06174): what is not kept is computed again on the way back.</remarks>
internal sealed class RowSegment
{
    /// <summary>int64 [rows]: positions, each once. float32 [rows, d]: the site's cotangents there.</summary>
    public const string Positions = "rows.position", Cotangents = "rows.cotangent";

    private readonly Value _site;
    private readonly IReadOnlyList<Value> _stops;

    private RowSegment(Value site, IReadOnlyList<Value> stops, IReadOnlyList<Value> reads, IReadOnlyList<Value> mixed)
    {
        (_site, _stops, Reads, Mixed) = (site, stops, reads, mixed);
        Prefix = mixed.Count == 0 ? null : CausalPrefix.Of(site, [.. stops, .. mixed]);
        Cut = [.. stops, .. mixed, .. (Prefix?.Tables ?? []).Where(t => !mixed.Contains(t))];
    }

    /// <summary>The sites that it reads directly.</summary>
    public IReadOnlyList<Value> Reads { get; }

    /// <summary>What it reads at all positions and is made of <see cref="Reads"/> or of tokens.</summary>
    public IReadOnlyList<Value> Mixed { get; }

    /// <summary>What lets a chunk do without the positions behind it; null: the graph does not show that it can, or nothing is mixed.
    /// </summary>
    public CausalPrefix? Prefix { get; }

    // what its graphs of rows are given
    private IReadOnlyList<Value> Cut { get; }

    /// <param name="site">[1, position, d].</param>
    /// <param name="sites">All sites of the model, itself among them, in the order of computation.</param>
    public static RowSegment Of(Value site, IReadOnlyList<Value> sites)
    {
        Value[] stops = [.. sites.Where(s => s != site)];
        var read = Topology.DirectlyReadBy(site, stops.ToHashSet());
        Value[] reads = [.. stops.Where(read.Contains)];
        var ops = Topology.Between(stops, [site]);
        var active = Topology.DependentOn([.. reads, .. CausalPrefix.InputsOver(site, ops)], CausalPrefix.OnEntries(ops));
        return new RowSegment(site, stops, reads, [.. ops
            .Where(op => op.Type == "MatMul" && op.In.All(x => x is not null && !x.IsFixed) && active.Contains(op.In[1]!))
            .Select(op => op.In[1]!).Distinct().Where(x => !stops.Contains(x))]);
    }

    /// <summary><see cref="Mixed"/> and the tables of <see cref="Prefix"/>, whole; null where there is nothing.</summary>
    public OnnxGraph? MixedForward()
    {
        Value[] wanted = [.. Mixed.Union(Prefix?.Tables ?? [])];
        return wanted.Length == 0 ? null : new OnnxGraph([.. Topology.ReadBy(wanted, _stops, [])], wanted);
    }

    /// <summary>The site's rows, float32 [1, rows, d].</summary>
    public OnnxGraph Forward()
    {
        var g = new GraphBuilder("rows/");
        var positions = g.Input(Positions, DataType.Int64, Dim.Named("rows"));
        var rows = g.Identity(RowsAt(g, positions).At(_site, 1), _site.Name + ".rows");
        return new OnnxGraph([positions, .. Topology.ReadBy([rows], Cut, [positions])], [rows]);
    }

    /// <summary>What the site's cotangents are pulled back by.</summary>
    /// <param name="wanted">Of <see cref="Reads"/>, those whose cotangents are asked for.</param>
    public RowPullBack PullBack(IReadOnlyList<Value> wanted, GradientRules rules)
    {
        var g = new GraphBuilder("back/");
        var positions = g.Input(Positions, DataType.Int64, Dim.Named("rows"));
        var given = g.Input(Cotangents, DataType.Float, Dim.Named("rows"), _site.Shape![2]);
        var cotangents = g.Unsqueeze(given, 0, 1);                                                  // [1, 1, N, d]
        var rows = RowsAt(g, positions);
        var reached = rules.Reached(wanted, Topology.Between(_stops, Mixed));
        Value[] mixed = [.. Mixed.Where(reached.Contains)];
        var walk = new PullBack(new WalkScope(g, rules, Cut), new HashSet<Value>()) { AddsRows = true };
        walk.FromRows(_site, cotangents, [.. wanted, .. mixed], rows);
        var outputs = new List<Value>();
        string? Yields(Value? v)
        {
            if (v is not null && !outputs.Contains(v)) outputs.Add(v);
            return v?.Name;
        }
        var arrived = new List<RowPullBack.Arrived>();
        foreach (var p in wanted)
        {
            var inRows = walk.InRows.TryGetValue(p, out var r) ? r.Cotangent : null;
            var same = inRows == cotangents;
            arrived.Add(new(p, same, same ? null : Yields(inRows), Yields(walk.Whole.GetValueOrDefault(p))));
        }
        var sums = mixed.Select(m => (Mixed: m, Sum: walk.WholeOf(m, rows))).Where(m => m.Sum is not null)
            .Select(m => (m.Mixed, Output: Yields(m.Sum)!)).ToList();
        return new RowPullBack
        {
            Rows = outputs.Count == 0 ? null
                : new OnnxGraph([positions, given, .. Topology.ReadBy(outputs, Cut, [positions, given])], outputs),
            At = arrived,
            Sums = sums,
            Whole = Whole([.. sums.Select(s => s.Mixed)], wanted, rules),
        };
    }

    // from the cotangents of what is mixed, [1, …], to those of what it is made of
    private (OnnxGraph Graph, IReadOnlyList<(Value At, string Output)> Yields)? Whole(Value[] mixed, IReadOnlyList<Value> wanted,
        GradientRules rules)
    {
        if (mixed.Length == 0) return null;
        var g = new GraphBuilder("mixed/");
        var (inputs, sums) = (new List<Value>(), new Dictionary<Value, Value>());
        foreach (var m in mixed)
        {
            inputs.Add(g.Input(RowPullBack.CotangentOf(m), DataType.Float, [Dim.Of(1), .. m.Shape!]));
            var found = Autodiff.PullBack.FromWhole(new WalkScope(g, rules, _stops), m, inputs[^1], wanted);
            foreach (var p in wanted.Where(found.ContainsKey)) sums[p] = sums.TryGetValue(p, out var s) ? g.Add(s, found[p]) : found[p];
        }
        Value[] outputs = [.. sums.Values.Distinct()];
        return (new OnnxGraph([.. inputs, .. Topology.ReadBy(outputs, _stops, inputs)], outputs),
            [.. sums.Select(s => (s.Key, s.Value.Name))]);
    }

    private Rows RowsAt(GraphBuilder g, Value positions) => new(g, positions)
    {
        Spread = Reads.Count == 0 ? null : g.OneHot(positions, g.Squeeze(g.Shape(Reads[0], 1, 2), 0)),   // [N, T]
        Distinct = (positions, null),
        Whole = Cut.ToHashSet(),
    };
}
