using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What a change may switch on is found without a product with all of W_enc, of every kind of dictionary, and misses
/// nothing.</summary>
public sealed class SwitchScreenTests(Random2Bundle bundle, KindsBundle kinds) : IClassFixture<Random2Bundle>, IClassFixture<KindsBundle>
{
    private static readonly float[] s_lengths = [0.001f, 0.03f, 0.3f, 3f];

    [Theory, InlineData(false), InlineData(true)]
    public void No_feature_that_a_change_switches_on_is_missed(bool patched)
    {
        using var model = bundle.Open();
        NoneIsMissed(model, bundle.Tokens, patched ? bundle.PatchTokens : null);
        using var other = kinds.Open();
        NoneIsMissed(other, kinds.Tokens, patched ? kinds.PatchTokens : null);
    }

    [Fact]
    public void Changes_that_switch_many_on_are_read_whole_and_others_not()
    {
        using var directory = new TemporaryDirectory();
        var path = Random2Bundle.With(directory, "wide", site => DictionaryFiles.Random(site, 16, 512, seed: site.Length + site[7]));
        using var model = LoadedModel.Open(path, [], new RunContext(threads: 1));
        var state = Expanded(model, bundle.Tokens, null);
        var (whole, moves) = (0, 0);
        foreach (var site in state.Sites)
        {
            var switched = new SwitchedFeatures(model, site, [.. bundle.Tokens.Select(_ => true)]);
            var changes = Changes(site, s_lengths, new Random(1));
            var active = model.Encoder.Active(site.Dictionary!, Moved(site, changes));
            var found = switched.Find(changes, InputChanges(site, changes));
            for (var m = 0; m < changes.Ups.Count; m++)
            {
                var nodes = site.CleanEncoding.Features[changes.Positions[m]];
                Assert.Equal(active.Features(m).ToArray().Except(nodes), found.At(m).Select(f => f.Feature));
            }
            (whole, moves) = (whole + switched.WholeRows, moves + changes.Ups.Count);
        }
        Assert.InRange(whole, moves / 10, moves * 9 / 10);
    }

    private static void NoneIsMissed(LoadedModel model, int[] tokens, int[]? patch)
    {
        var (named, all) = (0, 0);
        foreach (var site in Expanded(model, tokens, patch).Sites)
        {
            var screen = new SwitchScreen(model, site, [.. tokens.Select(_ => true)]);
            var changes = Changes(site, s_lengths, new Random(7));
            var inputs = InputChanges(site, changes);
            var active = model.Encoder.Active(site.Dictionary!, Moved(site, changes));
            var found = new int[site.Dictionary!.FeatureCount];
            for (var m = 0; m < changes.Ups.Count; m++)
            {
                var position = changes.Positions[m];
                var length = TensorPrimitives.Norm<float>(inputs.AsSpan(m * site.Width, site.Width));
                var count = screen.Find(position, length, found);
                var nodes = site.Nodes.Where(n => n.Position == position).Select(n => n.Feature).ToHashSet();
                Assert.Empty(active.Features(m).ToArray().Where(f => !nodes.Contains(f)).Except(found[..count]));
                Assert.DoesNotContain(found[..count], nodes.Contains);
                Assert.Equal(-1, count == 0 ? -1 : screen.Find(position, length, new int[count - 1]));
                (named, all) = (named + count, all + found.Length);
            }
        }
        Assert.InRange(named, all / 100, all * 3 / 4);
    }

    private static PatchingState Expanded(LoadedModel model, int[] tokens, int[]? patch)
    {
        var state = PatchingState.Run(model, tokens, patch, new GraphOptions());
        state.Expand();
        return state;
    }

    // random directions, of lengths relative to the activation, at every position
    private static SiteMoves Changes(SiteEffects site, float[] lengths, Random random)
    {
        var positions = Enumerable.Range(0, site.CleanEncoding.Positions).SelectMany(t => lengths.Select(_ => t)).ToArray();
        var changes = new float[positions.Length * site.Width];
        for (var m = 0; m < positions.Length; m++)
        {
            var change = changes.AsSpan(m * site.Width, site.Width);
            for (var i = 0; i < change.Length; i++) change[i] = (float)(random.NextDouble() - 0.5);
            var (x, length) = (TensorPrimitives.Norm(site.CleanAt(positions[m])), TensorPrimitives.Norm<float>(change));
            TensorPrimitives.Multiply(change, lengths[m % lengths.Length] * x / length, change);
        }
        return new SiteMoves([.. positions.Select((_, m) => m)], positions, changes);
    }

    private static float[] Moved(SiteEffects site, SiteMoves changes)
    {
        var moved = (float[])changes.Changes.Clone();
        for (var m = 0; m < changes.Ups.Count; m++)
        {
            var row = moved.AsSpan(m * site.Width, site.Width);
            TensorPrimitives.Add(row, site.CleanAt(changes.Positions[m]), row);
        }
        return moved;
    }

    private static float[] InputChanges(SiteEffects site, SiteMoves changes)
    {
        var normalization = site.Dictionary!.Normalization;
        if (!normalization.Changes) return changes.Changes;
        var after = normalization.Apply(Moved(site, changes), site.Width);
        for (var m = 0; m < changes.Ups.Count; m++)
        {
            var row = after.AsSpan(m * site.Width, site.Width);
            TensorPrimitives.Subtract(row, normalization.Apply(site.CleanAt(changes.Positions[m]), site.Width), row);
        }
        return after;
    }
}
