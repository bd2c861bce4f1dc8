using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>Decoder rows that do not fit together are read again when they are needed, and are what they were.</summary>
public sealed class StreamedDecoderTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Theory, InlineData(false), InlineData(true)]
    public void Rows_that_are_read_again_give_the_same_effects_tangents_and_cotangents(bool patched)
    {
        var patch = patched ? bundle.PatchTokens : null;
        using var model = bundle.Open();
        using var small = bundle.OpenWithin(1);
        var (held, streamed) = (State(model), State(small));
        Assert.All(held.Sites, s => Assert.False(s.CleanEncoding.StreamsDecoder));
        Assert.All(streamed.Sites, s => Assert.True(s.CleanEncoding.StreamsDecoder));
        var expected = held.Effects().Select(n => n with { Kept = true }).ToList();
        var nodes = streamed.Effects().Select(n => n with { Kept = true }).ToList();
        GraphComparison.Numbers(expected.Select(n => n.Effect), nodes.Select(n => n.Effect), 1e-5, "effects");
        var length = bundle.Tokens.Length;
        var (from, again) = (new NodeVectors(model, expected, length), new NodeVectors(small, expected, length));
        for (var i = 0; i < held.Sites.Count; i++)
        {
            streamed.Sites[i].ReleaseDecoders();
            GraphComparison.Numbers(from.Upstream(held.Sites[i]).Tangents, again.Upstream(streamed.Sites[i]).Tangents, 1e-5, "tangents");
            streamed.Sites[i].ReleaseDecoders();
            GraphComparison.Numbers(from.Cotangents(held.Sites[i]).Cotangents, again.Cotangents(streamed.Sites[i]).Cotangents, 1e-5,
                "cotangents");
        }

        PatchingState State(LoadedModel of)
        {
            var state = PatchingState.Run(of, bundle.Tokens, patch, new GraphOptions());
            state.Expand();
            return state;
        }
    }
}
