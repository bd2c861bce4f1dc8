using OnnxAttribution.Preflight;

namespace OnnxAttribution.Tests.Preflight;

/// <summary>Where the bounds of what looks wrong, and of what counts as fixed, lie.</summary>
public sealed class PlausibilityTests
{
    private const int Width = 8, Features = 128;   // dense above max(8, 128 / 8) = 16

    private static ReconstructionFit Of(double explained, double l0 = 10, double ratio = 1, double first = 1) =>
        new(100, l0, explained, 1, ratio, first);

    [Theory]
    [InlineData(0.8, 16, 1, false), InlineData(0.79, 16, 1, true), InlineData(double.NaN, 16, 1, true)]
    [InlineData(0.9, 17, 1, true), InlineData(0.9, 10, 0.59, true), InlineData(0.9, 10, 1.51, true), InlineData(0.9, 10, 1.5, false)]
    public void A_fit_looks_wrong_by_what_it_explains_by_its_density_or_by_its_length(double explained, double l0, double ratio,
        bool wrong) =>
        Assert.Equal(wrong, Plausibility.LooksWrong(Of(explained, l0, ratio), Width, Features));

    [Theory, InlineData(8, 8, 9, true), InlineData(32, 128, 32, false), InlineData(32, 512, 64, false), InlineData(32, 512, 65, true)]
    public void Dense_is_more_than_the_width_and_than_an_eighth_of_all(int width, int features, double l0, bool dense) =>
        Assert.Equal(dense, Plausibility.IsDense(Of(0.9, l0), width, features));

    [Theory, InlineData(0.4, 0.71, 10, true), InlineData(0.4, 0.69, 10, false), InlineData(0.1, 0.59, 10, false),
        InlineData(0.4, 0.9, 17, false)]
    public void Half_of_what_was_missed_is_fixed_and_the_outcome_is_sound(double before, double after, double l0, bool fixes) =>
        Assert.Equal(fixes, Plausibility.Fixes(Of(before), Of(after, l0), Width, Features));

    [Theory, InlineData(0.95, 0.74, true), InlineData(0.95, 0.76, false), InlineData(0.99, 0.81, false), InlineData(0.99, 0.79, true)]
    public void The_first_token_is_missed_where_it_is_a_fifth_and_five_times_as_much_as_of_the_others(double explained, double first,
        bool misses) =>
        Assert.Equal(misses, Plausibility.MissesFirst(Of(explained, first: first)));
}
