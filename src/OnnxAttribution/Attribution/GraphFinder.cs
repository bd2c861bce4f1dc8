using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Attribution;

/// <summary>
/// From tokens to a graph of causes.
/// 1. One forward and backward pass gives every site and the metric's gradient there; a patch prompt adds a second pass.
/// 2. Dictionaries expand every site into active features and errors: the nodes.
/// 3. Effects: gradient times change (or integrated gradients, or real patches); the strongest nodes of each site are kept.
/// 4. Direct edges between kept nodes, one batched run per downstream site, and from each node to the metric;
///    exact ones by a further run per upstream site.
/// 5. The strongest edges are kept and what no path leads from to the metric is pruned. Where heads are asked for,
///    the kept edges are split by them.
/// </summary>
internal static class GraphFinder
{
    // what finding a graph took, and what moving nodes has shown on the way
    private readonly record struct Work(StageClock Clock, int Calls, long Operations, RefinementWork Refined, MeasuredNodes Measured);

    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="patchTokens">As many, or null for zero ablation.</param>
    /// <exception cref="AttributionException">What was asked cannot be:
    /// lengths differ, a position or token is out of range, kl with plain attribution patching.</exception>
    public static CausalGraph Find(LoadedModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        options = Checked(model, options);
        var (clock, calls) = (new StageClock(), model.Context.Calls);
        return Of(Expanded(model, tokens, patchTokens, options, clock), options, clock, calls);
    }

    /// <summary>What is asked for, as the model takes it.</summary>
    /// <exception cref="AttributionException">It has no such graphs.</exception>
    public static GraphOptions Checked(LoadedModel model, GraphOptions options)
    {
        options = ReplacedOptions.Of(model, options);
        HeadSplit.Check(model, options);
        return options;
    }

    /// <summary>Steps 3 to 5, of a prompt whose sites are expanded.</summary>
    /// <param name="options">Checked.</param>
    /// <param name="clock">Of what has been done so far.</param>
    /// <param name="calls">The context's runtime calls before that.</param>
    public static CausalGraph Of(PatchingState state, GraphOptions options, StageClock clock, int calls)
    {
        var (model, nodes) = (state.Model, Nodes(state, options));
        var refined = Improve(state, nodes, options);
        var measured = MeasuredNodes.Of(nodes);
        Selection.KeepStrongest(nodes, options);
        clock.Record("node effects");
        var lumped = LumpedErrors.Of(nodes, options);
        var switchedOn = new List<SwitchedOnEdge>();
        var strongest = StrongestFound.Of(options, model.Context.EdgeRoom);
        var found = new FoundEdges(strongest.Add, switchedOn.Add);
        var operations = state.Operations + refined.Operations + Edges(state, lumped.Members, options, lumped.Among(found), clock);
        lumped.Close(found);
        nodes = lumped.Nodes;
        var edges = strongest.Edges();
        var violation = ConservationOf(nodes, strongest.SumFrom, options);
        if (options.Heads is { Only: not null })
        {
            var (passing, parts, more) = HeadSplit.Passing(state, nodes, edges, options);
            clock.Record("heads");
            // what stays is chosen already, by what goes through the head
            return Chosen(state, nodes, (passing, []), options with { TopEdges = null, EdgeThreshold = 0, Prune = false },
                new(clock, model.Context.Calls - calls, operations + more, refined, measured)) with
            { HeadParts = parts, ConservationViolation = null };
        }
        var work = new Work(clock, model.Context.Calls - calls, operations, refined, measured);
        if (options.Targets is not null)
        {
            return WithOutputs(state, nodes, edges, options, work with { Calls = calls }) with { ConservationViolation = violation };
        }
        var graph = Chosen(state, nodes, (edges, switchedOn), options, work) with { ConservationViolation = violation };
        if (options.Heads is null) return graph;
        graph = HeadSplit.Of(state, graph, options);
        clock.Record("heads");
        return graph with { Timings = clock.Seconds, RuntimeCalls = model.Context.Calls - calls };
    }

    // a graph of transcoders with outputs of its own; work.Calls is the count before
    private static CausalGraph WithOutputs(PatchingState state, List<CausalNode> nodes, IReadOnlyList<CausalEdge> edges,
        GraphOptions options, Work work)
    {
        var found = OutputSelection.Of(state, nodes, edges, options);
        work.Clock.Record("outputs");
        // by influence it is chosen already
        if (options.Influence is not null) options = options with { TopEdges = null, EdgeThreshold = 0, Prune = false };
        var graph = Chosen(state, nodes, (found.Edges, []), options, work with { Calls = state.Model.Context.Calls - work.Calls });
        return graph with
        {
            Outputs = found.Outputs,
            OutputEdges = [.. found.OutputEdges.Where(e => graph.Nodes[e.Up].Kept)],
            ReplacementScore = found.Influence.Replacement,
            CompletenessScore = found.Influence.Completeness,
        };
    }

    // null: something was left out, or effects are not what edges are made of
    private static double? ConservationOf(List<CausalNode> nodes, Func<int, double> sumFrom, GraphOptions options) =>
        options is { TopNodes: null, NodeThreshold: 0, Method: EffectMethod.Atp, Edges: EdgeMethod.Jacobian }
            ? Conservation(nodes, sumFrom) : null;

    /// <summary>The graph summed over positions: what is kept is chosen by the sums,
    /// and every edge is the whole sum (<see cref="GraphSum"/>).</summary>
    /// <inheritdoc cref="Find" path="/param"/>
    /// <inheritdoc cref="Find" path="/exception"/>
    public static CausalGraph FindSummed(LoadedModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        options = CheckedSummed(model, options);
        var (clock, calls) = (new StageClock(), model.Context.Calls);
        return SummedOf(Expanded(model, tokens, patchTokens, options, clock), options, clock, calls);
    }

    /// <inheritdoc cref="Checked"/>
    public static GraphOptions CheckedSummed(LoadedModel model, GraphOptions options)
    {
        options = ReplacedOptions.Of(model, options);
        if (options.Targets is not null)
        {
            throw new AttributionException("influence on outputs shares out the absolute weights of edges between nodes at their "
                + "positions, and sums over positions let them cancel; ask for outputs or for sums")
            {
                Settings = [Setting.Aggregate, Setting.Targets]
            };
        }
        if (options.Heads is not null)
        {
            throw new AttributionException("edges that are summed over positions are not split by heads; ask for one of both")
            {
                Settings = [Setting.Aggregate, Setting.Heads]
            };
        }
        return options;
    }

    /// <summary>As <see cref="Of"/>, summed over positions.</summary>
    /// <inheritdoc cref="Of" path="/param"/>
    public static CausalGraph SummedOf(PatchingState state, GraphOptions options, StageClock clock, int calls)
    {
        var (model, nodes) = (state.Model, Nodes(state, options));
        var refined = Improve(state, nodes, options);
        var sum = new GraphSum(model.Selected);
        sum.Add(nodes);
        sum.ChooseNodes(options);
        clock.Record("node effects");
        var (kept, found) = sum.KeptAmong(nodes);
        var operations = state.Operations + refined.Operations + Edges(state, kept, options, found, clock);
        var sums = new double[sum.Nodes.Count];
        foreach (var e in sum.Edges) sums[e.Up] += e.Effect;
        return Chosen(state, sum.Nodes, (sum.Edges, sum.SwitchedOn), options,
            new(clock, model.Context.Calls - calls, operations, refined, MeasuredNodes.Of(nodes))) with
        { ConservationViolation = ConservationOf(sum.Nodes, i => sums[i], options) };
    }

    /// <summary>Runs a prompt once more and adds its edges to a sum whose nodes are chosen.</summary>
    /// <param name="options">With the prompt's own metric.</param>
    /// <param name="measured">Of the prompt's nodes those that were moved, which are not moved again.</param>
    /// <returns>The prompt's nodes, kept where they are chosen, and floating-point operations of the matrix products that were run.
    /// </returns>
    internal static (IReadOnlyList<CausalNode> Nodes, long Operations) AddEdges(LoadedModel model, PromptTokens tokens,
        GraphOptions options, MeasuredNodes measured, GraphSum sum)
    {
        var clock = new StageClock();
        options = ReplacedOptions.Of(model, options);
        return AddEdges(Expanded(model, tokens.Clean, tokens.Patch, options, clock), options, measured, sum, clock);
    }

    /// <summary>Adds the edges of a prompt whose sites are expanded.</summary>
    /// <inheritdoc cref="AddEdges(LoadedModel, PromptTokens, GraphOptions, MeasuredNodes, GraphSum)" path="/returns"/>
    internal static (IReadOnlyList<CausalNode> Nodes, long Operations) AddEdges(PatchingState state, GraphOptions options,
        MeasuredNodes measured, GraphSum sum, StageClock clock)
    {
        var nodes = Nodes(state, options);
        measured.PutInto(nodes);
        var (kept, found) = sum.KeptAmong(nodes);
        return (kept, state.Operations + Edges(state, kept, options, found, clock));
    }

    /// <summary>Steps 1 and 2.</summary>
    internal static PatchingState Expanded(LoadedModel model, int[] tokens, int[]? patchTokens, GraphOptions options, StageClock clock)
    {
        var state = PatchingState.Run(model, tokens, patchTokens, options);
        clock.Record("passes");

        // of encoders that stay mapped columns are read when they are needed:
        // to hold all sites' at once costs 0.05 s at GPT-2-small's shape
        state.Expand(model.HasLargeEncoders ? model.Context.MemoryBudget : 0,
            options.Edges == EdgeMethod.Exact ? model.Context.MemoryBudget / 4 : 0);
        clock.Record("cotangents", state.ColumnSeconds, "dictionaries");
        return state;
    }

    // step 3, with effects by gradients, before any is chosen
    private static List<CausalNode> Nodes(PatchingState state, GraphOptions options)
    {
        if (options.Method == EffectMethod.Ig) state.UseGradients(options.Method, options.Estimator, options.Steps);
        var nodes = state.Effects();
        if (options.Method == EffectMethod.Ig) nodes = [.. nodes.Select(n => n with { Method = NodeMethods.Ig })];
        return nodes;
    }

    // step 4; beside exact edges the jacobians are found too
    private static long Edges(PatchingState state, IReadOnlyList<CausalNode> nodes, GraphOptions options, FoundEdges found,
        StageClock clock)
    {
        // kl's gradient at the clean run is 0, so there is nothing that edges could be made with
        if (options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact }) return 0;
        var finder = new EdgeFinder(state.Model, state.Sites, nodes, state.Tokens, options.Estimator)
        {
            // another lane may be running them
            ClosesSessions = state.Clean.IsCheckpointed && state.Model.Context.Lanes == 1
        };
        var jacobians = options.Edges == EdgeMethod.Exact ? new JacobianTable(state.Sites, nodes) : null;
        if (jacobians is not null) state.ReadColumns();
        var add = jacobians is null ? found.Edge : jacobians.Add;
        finder.Find(add);
        MetricEdges.Find(state, nodes, options.Method, options.Estimator, add);
        clock.Record("cotangents", finder.CotangentSeconds, "edges");
        if (jacobians is null) return finder.Operations;
        var exact = new ExactEdgeFinder(state, nodes);
        exact.Find(found with { Edge = e => found.Edge(e with { Jacobian = jacobians.Of(e.Up, e.Down) }) });
        clock.Record("exact edges");
        return finder.Operations + exact.Operations;
    }

    // step 5
    private static CausalGraph Chosen(PatchingState state, List<CausalNode> nodes,
        (IReadOnlyList<CausalEdge> Edges, List<SwitchedOnEdge> SwitchedOn) found, GraphOptions options, Work work)
    {
        var kept = Selection.KeepEdges(nodes, found.Edges, options, state.Model.Context.EdgeRoom);
        var switchedOn = Selection.KeepSwitchedOn(nodes, found.SwitchedOn, kept, options);
        work.Clock.Record("selection");
        return new CausalGraph
        {
            Metric = state.Metric,
            CleanMetric = state.CleanMetric,
            PatchMetric = state.PatchMetric,
            TopTokens = Metric.Top(state.Clean.Logits, 10),
            Probabilities = state.Metric.Probabilities(state.Clean.Logits),
            Nodes = nodes,
            Edges = kept,
            SwitchedOn = switchedOn,
            ConservationViolation = null,
            Timings = work.Clock.Seconds,
            RuntimeCalls = work.Calls,
            Operations = work.Operations,
            EffectPasses = state.InForwardPasses(work.Refined.Operations
                + state.GradientOperations(options.Method, options.Estimator, options.Steps)),
            MovedNodes = work.Refined.Shallow,
            ExactNodes = work.Refined.Exact,
            Measured = work.Measured,
        };
    }

    // AtP*'s effects, and really moved nodes, where that is asked for: all, some blocks deep or all the way, or the strongest;
    // edges have an option of their own
    private static RefinementWork Improve(PatchingState state, List<CausalNode> nodes, GraphOptions options)
    {
        var star = options.Method == EffectMethod.Atpstar ? AtpStarEffects.Replace(state, nodes) : 0;
        var depth = options.Method == EffectMethod.Exact ? MovedNodes.Whole : options.ExactDepth ?? 0;
        if (depth == 0 && options.RefinedNodes == 0) return new(0, 0, star);
        using var clean = state.Start();
        if (depth == 0)
        {
            var refined = Refinement.Refine(state, clean, nodes, options.RefinedNodes, options.Estimator);
            return refined with { Operations = refined.Operations + star };
        }
        var moved = new MovedNodes(state, clean, options.Estimator);
        var found = moved.All(nodes, depth);
        for (var i = 0; i < found.Count; i++) nodes[i] = found[i];
        var exact = found.Count(n => n.Method == NodeMethods.Exact);
        return new RefinementWork(found.Count - exact, exact, moved.Operations);
    }

    private static double Conservation(List<CausalNode> nodes, Func<int, double> sumFrom)
    {
        double worst = 0, largest = 0;
        for (var i = 0; i < nodes.Count; i++)
        {
            worst = Math.Max(worst, Math.Abs(nodes[i].Effect - sumFrom(i)));
            largest = Math.Max(largest, Math.Abs(nodes[i].Effect));
        }
        return largest == 0 ? 0 : worst / largest;
    }
}
