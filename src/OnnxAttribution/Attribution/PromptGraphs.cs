using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// The graphs of several prompts, side by side.
/// 1. Prompts of one length share forward and backward passes (<see cref="BatchedPass"/>).
/// 2. Every dictionary is read once for all prompts (<see cref="SiteExpansion"/>).
/// 3. From there on each prompt goes its own way, in one of the context's lanes.
/// So a prompt's numbers are those of a run alone, but for the order in which sums are rounded.
/// </summary>
/// <remarks>Replacement models, whose graphs take a prompt's features, and exact edges, which read whole pre-activations, are run prompt by
/// prompt in lanes.</remarks>
internal static class PromptGraphs
{
    /// <param name="prompts">With options that differ in the metric's tokens only.</param>
    /// <param name="isSummed">Over positions.</param>
    /// <param name="ended">Told of each prompt when it has ended, in its lane.</param>
    /// <returns>By prompt. A failure is its own, and ends no other; runtime calls are counted of a prompt that is run alone.</returns>
    public static Outcome<CausalGraph>[] Find(LoadedModel model, IReadOnlyList<PromptRequest> prompts, bool isSummed,
        Action? ended = null) => Each(model, isSummed, (prompts, ended), (_, prompt, state, clock) => (state, isSummed) switch
        {
            (null, false) => GraphFinder.Find(model, prompt.Tokens, prompt.Patch, prompt.Options),
            (null, true) => GraphFinder.FindSummed(model, prompt.Tokens, prompt.Patch, prompt.Options),
            (_, false) => GraphFinder.Of(state, prompt.Options, clock, model.Context.Calls),
            (_, true) => GraphFinder.SummedOf(state, prompt.Options, clock, model.Context.Calls),
        });

    /// <summary>Runs prompts once more, for their edges between nodes that are chosen.</summary>
    /// <inheritdoc cref="Find" path="/param"/>
    /// <param name="measured">By prompt, the nodes that were moved, which are not moved again.</param>
    /// <param name="chosen">The sum whose nodes are chosen.</param>
    /// <returns>By prompt: its nodes, kept where they are chosen, and a sum of its edges alone.</returns>
    /// <exception cref="AttributionException">A prompt has no graph.</exception>
    public static (IReadOnlyList<CausalNode> Nodes, GraphSum Edges)[] Edges(LoadedModel model, IReadOnlyList<PromptRequest> prompts,
        IReadOnlyList<MeasuredNodes> measured, GraphSum chosen, Action? ended = null)
    {
        var found = Each(model, isSummed: false, (prompts, ended), (i, prompt, state, clock) =>
        {
            var sum = chosen.OfSameNodes();
            state ??= GraphFinder.Expanded(model, prompt.Tokens, prompt.Patch, prompt.Options, clock);
            var (nodes, _) = GraphFinder.AddEdges(state, prompt.Options, measured[i], sum, clock);
            return Tuple.Create(nodes, sum);
        });
        return [.. found.Select(f => f.Found is var (nodes, edges) ? (nodes, edges) : throw f.Failure!)];
    }

    // state: null where the prompt is run alone
    private static Outcome<T>[] Each<T>(LoadedModel model, bool isSummed, (IReadOnlyList<PromptRequest> Prompts, Action? Ended) given,
        Func<int, PromptRequest, PatchingState?, StageClock, T> find) where T : class
    {
        var asked = given.Prompts.Select(p => Outcome<PromptRequest>.Of(() => p with
        {
            Options = isSummed ? GraphFinder.CheckedSummed(model, p.Options) : GraphFinder.Checked(model, p.Options)
        })).ToArray();
        int[] sound = [.. Enumerable.Range(0, asked.Length).Where(i => asked[i].Found is not null)];
        var clock = new StageClock();
        var states = sound.Length > 1 && IsShared(model, asked[sound[0]].Found!.Options)
            ? Expanded(model, [.. sound.Select(i => asked[i].Found!)], clock) : null;
        var found = asked.Select(a => new Outcome<T>(null, a.Failure)).ToArray();
        SideBySide.For(model.Context, sound.Length, n =>
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            var prompt = asked[sound[n]].Found!;
            found[sound[n]] = states is null ? Outcome<T>.Of(() => find(sound[n], prompt, null, new StageClock()))
                : states[n].Then(state => find(sound[n], prompt, state, clock.Share(sound.Length)));
            // what it holds is not needed beside the others'
            if (states is not null) states[n] = default;
            given.Ended?.Invoke();
        });
        return found;
    }

    /// <summary>Whether prompts share passes and dictionaries, and are not only run in lanes.</summary>
    public static bool IsShared(LoadedModel model, GraphOptions options) => !model.IsReplaced && options.Edges != EdgeMethod.Exact
        && GradientGraphs.Of(model).TakesBatches;

    private static Outcome<PatchingState>[] Expanded(LoadedModel model, IReadOnlyList<PromptRequest> prompts, StageClock clock)
    {
        var states = PatchingState.RunAll(model, prompts);
        clock.Record("passes");
        PatchingState[] found = [.. states.Select(s => s.Found).OfType<PatchingState>()];
        if (found.Length == 0) return states;
        PatchingState.ExpandAll(model, found, model.Context.MemoryBudget);
        clock.Record("cotangents", found.Sum(s => s.ColumnSeconds), "dictionaries");
        return states;
    }
}
