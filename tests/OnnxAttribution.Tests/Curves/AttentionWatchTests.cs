using OnnxAttribution.Curves;

namespace OnnxAttribution.Tests.Curves;

/// <summary>Two blocks, one head, three tokens; patterns written by hand.</summary>
public class AttentionWatchTests
{
    private static readonly float[] s_toFirst = [1, 0, 0, /**/ 0.9f, 0.1f, 0, /**/ 0.02f, 0.9f, 0.08f];
    private static readonly float[] s_toSecond = [1, 0, 0, /**/ 0.2f, 0.8f, 0, /**/ 0.02f, 0.9f, 0.08f];

    [Fact]
    public void A_switch_matters_to_its_own_position_and_to_those_that_look_at_it_later()
    {
        var watch = new AttentionWatch([4, 5], 3);
        // block 4: position 1 turns from 0 to 1. Block 5: position 2 looks at 1
        foreach (var (step, pattern) in new[] { (0, s_toFirst), (1, s_toSecond) })
        {
            watch.See(step, 0, pattern);
            watch.See(step, 1, s_toFirst);
        }
        var expected = new AttentionSwitch(4, 0, 1, 0, 1, (0.9f, 0.1f), (0.2f, 0.8f));
        Assert.Equal([(1, expected)], watch.SwitchesFor(1));
        Assert.Equal([(1, expected)], watch.SwitchesFor(2));
        Assert.Empty(watch.SwitchesFor(0));
        Assert.Equal(0.7f, expected.Moved, 1e-6f);
    }

    [Fact]
    public void A_position_that_nothing_later_looks_at_does_not_matter()
    {
        var watch = new AttentionWatch([0, 1], 3);
        float[] alone = [1, 0, 0, /**/ 0, 1, 0, /**/ 0.01f, 0.01f, 0.98f];
        float[] aside = [1, 0, 0, /**/ 0.2f, 0.8f, 0, /**/ 0.01f, 0.01f, 0.98f],
            before = [1, 0, 0, /**/ 0.9f, 0.1f, 0, /**/ 0.01f, 0.01f, 0.98f];
        foreach (var (step, pattern) in new[] { (0, before), (1, aside) })
        {
            watch.See(step, 0, pattern);
            watch.See(step, 1, alone);
        }
        Assert.Single(watch.SwitchesFor(1));
        Assert.Empty(watch.SwitchesFor(2));
    }

    [Fact]
    public void Several_heads_are_told_apart()
    {
        var watch = new AttentionWatch([0], 3);
        watch.See(0, 0, [.. s_toFirst, .. s_toFirst]);
        watch.See(1, 0, [.. s_toFirst, .. s_toSecond]);
        watch.See(2, 0, [.. s_toSecond, .. s_toFirst]);
        Assert.Equal([(1, 1, 1), (2, 0, 1), (2, 1, 0)], watch.SwitchesFor(1).Select(s => (s.Step, s.Switch.Head, s.Switch.ToKey)));
    }
}
