using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// One graph that yields every direct edge into one tensor from the tensors it is cut at (its parents), in one run for any number of edges.
/// 1. The primal is computed once, for all T positions, batch 1.
/// 2. N downstream cotangents, one per node, are pulled back from the tensor:
///    as rows while operators keep positions apart, whole from the first that mixes them.
/// 3. U upstream tangents per parent (decoder rows) are pushed forward as rows as long as operators keep positions apart. There they meet
///    the whole cotangents and are contracted: a product of [N, m] and [m, slots] per group of tangents of one position. No [N, T, d] is
///    ever pulled through a weight matrix below the meeting place.
/// 4. Where a pattern meets values and queries meet keys, rows stay rows, and the outer product that a row leaves at the keys or values is
///    contracted as its two factors: Σ over heads of (row's entry at the tangent's position) · ⟨row, tangent⟩, [N, U] per head. So nothing
///    has an axis of rows and one of positions but patterns and their cotangents, [heads, N, T].
/// 5. Cotangents that reach a parent in rows are returned: their products with decoder rows of the same position are cheap.
/// </summary>
/// <remarks>Jacobian of Marks et al. 2024 (arXiv:2403.19647), App. A.1,
/// with paths through other selected sites cut off in the graph and not subtracted.</remarks>
internal sealed class SegmentJacobian
{
    /// <summary>int64 [rows], float32 [rows, d]: the downstream nodes' positions and cotangents.</summary>
    public const string RowPositions = "rows.position", RowCotangents = "rows.cotangent";

    /// <summary>int64 [distinct], [rows]: these positions, each once, and which of them each row's is.</summary>
    public const string DistinctPositions = "rows.distinct", RowIndex = "rows.index";

    /// <param name="Value">The parent, [1, position, d] in the primal graph and an input of this one.</param>
    /// <param name="RowsOutput">Output float32 [1, 1, rows, d]:
    /// ∂(row's cotangent · x_D)/∂x_U at the row's own position; null when no such path exists.</param>
    /// <param name="IsIdentity">What arrives in rows is the cotangents as they were given: no run is needed for them.</param>
    /// <param name="ContractedOutput">Output float32 [groups, rows, slots]:
    /// edges along paths that mix positions; null when there are none.</param>
    internal sealed record Parent(Value Value, string? RowsOutput, bool IsIdentity, string? ContractedOutput)
    {
        /// <summary>Output float32 [rows, tangents]: edges by way of keys and values that are position-wise in the parents; null when
        /// there are none.</summary>
        public string? PairsOutput { get; init; }

        /// <summary>Its tangents are inputs of the graph.</summary>
        public bool TakesTangents => ContractedOutput is not null || PairsOutput is not null;

        public string Tangents => Value.Name + ".tangent";            // float32 [tangents, d], the last row zero
        public string TangentPositions => Value.Name + ".position";   // int64 [tangents]
        // int64 [groups]: the position that a group's tangents share; a position may have several groups
        public string Groups => Value.Name + ".groups";
        public string Slots => Value.Name + ".slots";                 // int64 [groups, slots]: a row of tangents, or the last (zero) one
    }

    public required OnnxGraph Graph { get; init; }
    public required IReadOnlyList<Parent> Parents { get; init; }

    /// <summary>Nothing has to be run: every edge is a product of the given cotangents with decoder rows.</summary>
    public bool NeedsNoRun => Graph.Outputs.Count == 0;

    /// <param name="output">The downstream tensor as it is computed, [1, position, d].</param>
    /// <param name="parents">The cut: tensors [1, position, d] that it is directly computed from.</param>
    /// <param name="stops">All tensors the model is cut at.</param>
    /// <exception cref="GraphException">The positions have a fixed number:
    /// sizes written into the graph would then be taken for numbers of rows.</exception>
    public static SegmentJacobian Build(Value output, IReadOnlyList<Value> parents, IReadOnlyList<Value> stops, GradientRules rules)
    {
        if (parents.FirstOrDefault(p => p.Shape![1].Size is not null) is { } fixedLength)
        {
            throw new GraphException($"'{fixedLength.Name}' has a fixed length of {fixedLength.Shape![1]} positions; "
                + "export the model with a named (dynamic) position axis");
        }
        var g = new GraphBuilder("edges/");
        var width = output.Shape![2];
        var positions = g.Input(RowPositions, DataType.Int64, Dim.Named("rows"));
        var given = g.Input(RowCotangents, DataType.Float, Dim.Named("rows"), width);
        var cotangents = g.Unsqueeze(given, 0, 1);                                              // [1, 1, N, d]
        var length = g.Squeeze(g.Shape(parents[0], 1, 2), 0);
        var distinct = g.Input(DistinctPositions, DataType.Int64, Dim.Named("distinct"));
        var index = g.Input(RowIndex, DataType.Int64, Dim.Named("rows"));
        var rows = new Rows(g, positions)
        {
            Spread = g.OneHot(positions, length),                                               // [N, T]
            Distinct = (distinct, index),
            Whole = ComputedWhole(output, parents, stops, rules),
        };
        var scope = new WalkScope(g, rules, stops);
        var axes = PushForward.PositionWise(rules, parents.ToDictionary(p => p, _ => 1), stops, output);
        // the output itself may be position-wise: then no whole cotangent ever arises and nothing meets
        var walk = new PullBack(scope, axes.Keys.ToHashSet()) { OuterAxes = axes };
        walk.FromRows(output, cotangents, parents, rows);

        var arrival = new Arrival(scope, walk, axes);
        var links = parents.Select(p => arrival.At(p, cotangents)).ToList();
        // every parent has as many tangents, groups and slots as it has; what counts rows is the same for all
        IReadOnlyList<Value> inputs = [positions, given, distinct, index, .. arrival.Inputs];
        return new SegmentJacobian
        {
            Graph = new OnnxGraph([.. inputs, .. Topology.ReadBy(arrival.Outputs, stops, inputs)], arrival.Outputs)
            {
                Broadcast = arrival.Inputs.ToHashSet(),
            },
            Parents = links,
        };
    }

    // keys and values are needed at all positions, and what they are computed from
    private static HashSet<Value> ComputedWhole(Value output, IReadOnlyList<Value> parents, IReadOnlyList<Value> stops,
        GradientRules rules)
    {
        var ops = Topology.Between(stops, [output]);
        var active = rules.Reached(parents, ops);
        Value[] mixed = [.. ops
            .Where(op => op.Type == "MatMul" && op.In.All(x => x is not null && !x.IsFixed) && active.Contains(op.In[1]!))
            .Select(op => op.In[1]!)];
        return [.. stops, .. Topology.Between(stops, mixed).SelectMany(op => op.Out).OfType<Value>()];
    }

    /// <summary>What of a downstream site's cotangents arrives at its parents, in rows or contracted with tangents.</summary>
    private sealed class Arrival(WalkScope scope, PullBack walk, Dictionary<Value, int> axes)
    {
        /// <summary>What the graph yields, and the inputs that parents add to it.</summary>
        public List<Value> Outputs { get; } = [];
        public List<Value> Inputs { get; } = [];

        public Parent At(Value parent, Value cotangents)
        {
            var link = new Parent(parent, null, false, null);
            if (walk.InRows.TryGetValue(parent, out var arrived))
            {
                if (arrived.Cotangent == cotangents) link = link with { IsIdentity = true };
                else link = link with { RowsOutput = arrived.Cotangent.Name };
                if (!link.IsIdentity && !Outputs.Contains(arrived.Cotangent)) Outputs.Add(arrived.Cotangent);
            }
            return Contracted(parent, link);
        }

        // Σ over meeting values of ⟨cotangent at the tangent's position, tangent⟩, as [G, N, S] and as [N, U]
        private Parent Contracted(Value parent, Parent link)
        {
            var g = scope.G;
            var meeting = walk.Whole.Keys.Where(axes.ContainsKey).ToList();
            if (meeting.Count == 0 && walk.Outer.Count == 0) return link;
            var tangents = g.Input(link.Tangents, DataType.Float, Dim.Named("tangents"), parent.Shape![2]);
            var positions = g.Input(link.TangentPositions, DataType.Int64, Dim.Named("tangents"));
            var groups = g.Input(link.Groups, DataType.Int64, Dim.Named("groups"));
            var slots = g.Input(link.Slots, DataType.Int64, Dim.Named("groups"), Dim.Named("slots"));
            var pushed = PushForward.Run(scope, new Dictionary<Value, Value> { [parent] = g.Unsqueeze(tangents, 0, 1) },
                [.. meeting.Union(walk.Outer.Select(o => o.At))], new Rows(g, positions), axes);
            var contracted = Sum(meeting.Where(pushed.ContainsKey).Select(v => Product(v, pushed[v], groups, slots)));
            var pairs = Sum(walk.Outer.Where(o => pushed.ContainsKey(o.At)).Select(o => Pairs(o, pushed[o.At], positions)));
            if (contracted is null && pairs is null) return link;
            Inputs.AddRange([tangents, positions]);
            if (contracted is not null) Inputs.AddRange([groups, slots]);
            Outputs.AddRange(((Value?[])[contracted, pairs]).OfType<Value>());
            return link with { ContractedOutput = contracted?.Name, PairsOutput = pairs?.Name };
        }

        private Value? Sum(IEnumerable<Value> parts) => parts.Aggregate((Value?)null, (sum, v) => sum is null ? v : scope.G.Add(sum, v));

        // z = x y, ȳ[n] = x[n]ᵀ z̄[n] and the tangent ẏ is of one position t alone: ⟨ȳ[n], ẏ⟩ = x[n, t] ⟨z̄[n], ẏ⟩ where y has a row per
        // position, z̄[n, t] ⟨x[n], ẏ⟩ where it has a column
        private Value Pairs(OuterCotangent outer, Value tangent, Value positions)
        {
            var g = scope.G;
            var lifted = Walk.Lift(g, tangent, outer.Left.Rank - 1);
            var (whole, row) = outer.HasRows ? (outer.Left, outer.Right) : (outer.Right, outer.Left);
            var products = g.MatMul(row, outer.HasRows ? VjpRules.Flip(g, lifted) : lifted);    // [1, …, N, U]
            var each = g.Mul(products, g.Gather(whole, positions, whole.Rank - 1));
            return g.ReduceSum(each, false, [.. Enumerable.Range(0, each.Rank - 2).Select(i => (long)i)]);   // [N, U]
        }

        private Value Product(Value v, Value tangent, Value groups, Value slots)
        {
            var (g, axis) = (scope.G, axes[v] + 1);
            var others = Enumerable.Range(1, v.Rank).Where(i => i != axis).ToArray();
            var c = g.Gather(g.Reshape(g.Transpose(walk.Whole[v], [axis, 0, .. others]), 0, 0, -1), groups, 0);   // [G, N, m]
            var t = g.Reshape(g.Transpose(tangent, [axis, 0, .. others]), 0, -1);               // [U, m]
            var m = others.Aggregate(1L,
                (n, i) => n * (v.Shape![i - 1].Size ?? throw new GraphException($"the size of '{v.Name}' is not known")));
            var placed = g.Reshape(g.Gather(t, slots, 0), 0, 0, m);                             // [G, S, m]
            return g.MatMul(c, g.Transpose(placed, 0, 2, 1));                                   // [G, N, S]
        }
    }
}
