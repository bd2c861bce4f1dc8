using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Moved nodes run as rows of one batch, at the positions that a move can change and no others.</summary>
public sealed class MovedNodesTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory]
    [InlineData(MetricKind.LogitDiff, null), InlineData(MetricKind.Logit, 2), InlineData(MetricKind.Logprob, null)]
    [InlineData(MetricKind.Kl, 1)]
    public void A_row_finds_what_a_pass_of_its_own_does(MetricKind kind, int? position)
    {
        var model = bundle.Shared("resid,attn,mlp");
        EffectsByPasses.Agree(model, bundle.Tokens, null, new MetricRequest(kind, position));
        EffectsByPasses.Agree(model, bundle.Tokens, bundle.PatchTokens, new MetricRequest(kind, position));
        Assert.False(MovedSteps.Of(model).LooksAhead);
    }

    [Theory, InlineData("resid"), InlineData("mlp"), InlineData("blocks.0.hook_attn_out,blocks.1.hook_resid_post")]
    public void Wherever_the_model_is_cut(string sites) => EffectsByPasses.Agree(bundle.Shared(sites), bundle.Tokens, null);

    [Fact]
    public void The_first_position_reads_no_other()
    {
        EffectsByPasses.Agree(bundle.Shared("resid,attn,mlp"), bundle.Tokens, null, new MetricRequest(MetricKind.Logit, 0));
        EffectsByPasses.Agree(bundle.Shared("resid,attn,mlp"), [256], null);
    }

    /// <summary>Without a mask a move changes what lies before it: the first run shows it, and rows are run at all positions.</summary>
    [Fact]
    public void A_model_whose_positions_read_later_ones_is_run_at_all_of_them()
    {
        using var sketch = AttentionSketch.Model("Wq");
        using var model = LoadedModel.Open(sketch.Bundle, [], new RunContext(threads: 1));
        EffectsByPasses.Agree(model, [1, 102, 7, 140], null, new MetricRequest(MetricKind.Logprob, 1));
        Assert.True(MovedSteps.Of(model).LooksAhead);
        EffectsByPasses.Agree(model, [1, 102, 7, 140], [3, 101, 9, 141]);
        ExactEdgesByPasses.Agree(model, [1, 102, 7, 140], null, new GraphOptions(new(Position: 1)));
    }

    /// <summary>Queries, keys and values of a moved row at one position; what is behind attention from there on; in the last block, and of
    /// the vocabulary, only what the metric reads.</summary>
    [Theory, InlineData(0), InlineData(2), InlineData(4)]
    public void Only_what_a_move_can_change_is_computed(int position)
    {
        const int d = 16, positions = 5, product = 2 * d * d;
        var (model, tokens) = (bundle.Shared("resid,attn,mlp"), (int[])[256, 1, 2, 3, 4]);
        var state = PatchingState.Run(model, tokens, null, new GraphOptions(new(MetricKind.LogitDiff)));
        state.Expand();
        using var clean = state.Start();
        var moved = new MovedNodes(state, clean, Estimator.Gradient);
        moved.Effects([state.Sites[0].Nodes.FindIndex(n => n.Position == position)], MovedNodes.Whole);
        var (before, behind) = (positions + 1, positions + positions - position);   // rows: those of the unmoved run, then the moved
        var cores = 2 * (2 * 2 * 2 * positions * positions * d);                    // both blocks, both rows, two products
        var first = (3 * before) + behind + (8 * behind);                           // q, k, v; W_O; MLP
        var last = (3 * behind) + 2 + (8 * 2);
        Assert.Equal((product * (first + last)) + cores + (2 * 2 * 2 * d), moved.Operations);
    }

    [Theory, InlineData(4), InlineData(16)]
    public void Rows_side_by_side_are_unembedded_at_one_position(int positions)
    {
        var model = bundle.Shared("resid,attn,mlp");
        Assert.Equal(2 * 16 * 257, model.Steps.Operations(model.Steps.Head, positions));
    }
}
