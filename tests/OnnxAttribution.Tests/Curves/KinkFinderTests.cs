using OnnxAttribution.Curves;

namespace OnnxAttribution.Tests.Curves;

public class KinkFinderTests
{
    private static readonly double[] s_coefficients = [0, 0.5, 1, 1.5, 2];

    private static IEnumerable<(int, KinkCause)> Find(float[] activation, params (int Step, AttentionSwitch Switch)[] switches) =>
        KinkFinder.Find(3, s_coefficients, activation, switches).Select(b => (b.Step, b.Cause));

    [Fact]
    public void A_straight_line_has_no_bend() => Assert.Empty(Find([1, 2, 3, 4, 5]));

    [Fact]
    public void A_feature_that_comes_and_goes_is_a_bend_each_time() =>
        Assert.Equal([(2, KinkCause.SwitchesOn), (4, KinkCause.SwitchesOff)], Find([0, 0, 1, 0.5f, 0]));

    [Fact]
    public void A_kink_that_nothing_explains_is_told_as_such() => Assert.Equal([(2, KinkCause.Unknown)], Find([1, 2, 3, 3.5f, 4]));

    [Fact]
    public void A_kink_beside_a_switch_of_attention_is_its_own()
    {
        var attention = new AttentionSwitch(1, 2, 3, 0, 1, (0.6f, 0.4f), (0.4f, 0.6f));
        Assert.Equal([(3, KinkCause.Attention)], Find([1, 2, 3, 3.5f, 4], (3, attention)));
        // where the feature is off at both ends, nothing bends
        Assert.Empty(Find([0, 0, 0, 0, 0], (3, attention)));
    }

    [Fact]
    public void A_small_change_of_slope_and_rounding_are_no_bends()
    {
        Assert.Empty(Find([1, 2, 3, 3.8f, 4.6f]));                    // a fifth of the largest slope
        Assert.Empty(Find([5, 5.00001f, 5, 5.00001f, 5]));
        Assert.Empty(KinkFinder.Find(0, [1], [2], []));
    }
}
