using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

public class AgreementTests
{
    [Fact]
    public void Every_figure_is_the_one_computed_by_hand()
    {
        // e: mean 2, deviations −1 0 1 0; a: mean 2.5, deviations −1.5 −0.5 0.5 1.5; Σ de·da = 2, Σ de² = 2, Σ da² = 5
        // ranks of e: 1, 2.5, 4, 2.5; of a: 1, 2, 3, 4; Σ dr·ds = 2.25 + 0 + 0.75 + 0 = 3, Σ dr² = 4.5, Σ ds² = 5
        // Σ a e = 1 + 4 + 9 + 8 = 22, Σ a² = 30; relative errors 0, 0, 0, 1; the largest of e is the third, of a the fourth
        var agreement = Agreement.Between([1, 2, 3, 2], [1, 2, 3, 4]);
        Assert.Equal(4, agreement.Count);
        Assert.Equal(2 / Math.Sqrt(10), agreement.Pearson, 1e-12);
        Assert.Equal(3 / Math.Sqrt(22.5), agreement.Spearman, 1e-12);
        Assert.Equal(1, agreement.SignAgreement);
        Assert.Equal(22.0 / 30, agreement.Slope, 1e-12);
        Assert.Equal(0, agreement.MedianRelativeError);
        Assert.Equal((1, 0), (agreement.Top, agreement.TopRecall));
        // e's: third and second; a's: fourth and third
        Assert.Equal(0.5, Agreement.Between([1, 2, 3, 2], [1, 2, 3, 4], top: 2).TopRecall);
    }

    [Fact]
    public void Exact_zeros_have_no_sign_and_no_relative_error_and_approximate_zeros_agree_with_no_sign()
    {
        var agreement = Agreement.Between([0, 0, -2, 4, -8], [1, 0, 0, 4, 2]);
        Assert.Equal(1.0 / 3, agreement.SignAgreement, 1e-12);      // −2 with 0: no; 4 with 4: yes; −8 with 2: no
        Assert.Equal(1, agreement.MedianRelativeError, 1e-12);      // 1, 0, 1.25
        Assert.Equal(0.0, agreement.Slope, 1e-12);                  // 16 − 16
    }

    [Fact]
    public void Of_equal_magnitudes_the_earlier_counts_as_larger()
    {
        Assert.Equal(1, Agreement.Between([1, -1, 1], [-1, 1, 1], top: 2).TopRecall);
        Assert.Equal(0, Agreement.Between([1, 1, 2], [2, 1, 1], top: 1).TopRecall);
        Assert.Equal(1, Agreement.Between([1, 1, 2], [2, 1, 1], top: 50).TopRecall);
    }

    [Theory, InlineData(0.1, 9, 1), InlineData(-7, 30, 3), InlineData(1e300, 2, 1)]
    public void Nothing_correlates_with_what_does_not_vary(double constant, int count, int top)
    {
        double[] constants = [.. Enumerable.Repeat(constant, count)], others = [.. Enumerable.Range(1, count).Select(i => (double)i)];
        foreach (var agreement in new[] { Agreement.Between(constants, others), Agreement.Between(others, constants),
            Agreement.Between(constants, constants) })
        {
            Assert.True(double.IsNaN(agreement.Pearson) && double.IsNaN(agreement.Spearman));
            Assert.Equal((count, top), (agreement.Count, agreement.Top));
        }
        Assert.Equal(1, Agreement.Between(constants, constants).Slope, 1e-12);
    }

    [Fact]
    public void Zeros_alone_define_nothing_but_their_number()
    {
        var agreement = Agreement.Between([0, 0], [0, 0]);
        Assert.Equal(2, agreement.Count);
        Assert.All([agreement.Pearson, agreement.Spearman, agreement.SignAgreement, agreement.Slope, agreement.MedianRelativeError],
            AssertNaN);
    }

    [Fact]
    public void No_pair_gives_no_figure_and_one_pair_no_correlation()
    {
        var none = Agreement.Between([], []);
        Assert.Equal((0, 0), (none.Count, none.Top));
        Assert.All([none.Pearson, none.Spearman, none.SignAgreement, none.Slope, none.MedianRelativeError, none.TopRecall], AssertNaN);
        var one = Agreement.Between([2], [4]);
        Assert.All([one.Pearson, one.Spearman], AssertNaN);
        Assert.Equal((1, 1, 0.5, 1, 1), (one.Count, one.SignAgreement, one.Slope, one.MedianRelativeError, one.TopRecall));
    }

    [Fact]
    public void A_pair_with_NaN_is_left_out()
    {
        Assert.Equal(Agreement.Between([1, 2, 3], [2, 2, 5]), Agreement.Between([1, double.NaN, 2, 3, 7], [2, 0, 2, 5, double.NaN]));
    }

    [Fact]
    public void Lengths_that_differ_and_a_top_of_nothing_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Agreement.Between([1], []));
        Assert.Throws<ArgumentOutOfRangeException>(() => Agreement.Between([1], [1], top: 0));
    }

    [Fact]
    public void Squares_that_run_over_or_under_change_nothing()
    {
        double[] e = [1, 2, 3, 2], a = [1, 2, 3, 4];
        var plain = Agreement.Between(e, a);
        foreach (var (scaleE, scaleA) in new[] { (1e300, 1e300), (1e-300, 1e-300), (1e200, 1e-100) })
        {
            var scaled = Agreement.Between(Scaled(e, scaleE), Scaled(a, scaleA));
            Assert.Equal(plain.Pearson, scaled.Pearson, 1e-12);
            Assert.Equal(plain.Spearman, scaled.Spearman, 1e-12);
            Assert.Equal(plain.Slope, scaled.Slope * (scaleA / scaleE), 1e-12);
        }
    }

    [Fact]
    public void Scaling_the_approximation_changes_the_slope_alone_and_not_the_order() => Check.One(Many, Prop.ForAll(Pairs, pairs =>
    {
        var (plain, twice) =
            (Agreement.Between(pairs.Exact, pairs.Approximate), Agreement.Between(pairs.Exact, Scaled(pairs.Approximate, 8)));
        return Same(plain.Pearson, twice.Pearson) && Same(plain.Spearman, twice.Spearman) && Same(plain.Slope, twice.Slope * 8)
            && Same(plain.SignAgreement, twice.SignAgreement) && Same(plain.TopRecall, twice.TopRecall);
    }));

    [Fact]
    public void Turning_every_approximate_sign_turns_the_correlations_and_the_slope() => Check.One(Many, Prop.ForAll(Pairs, pairs =>
    {
        var (plain, turned) =
            (Agreement.Between(pairs.Exact, pairs.Approximate), Agreement.Between(pairs.Exact, Scaled(pairs.Approximate, -1)));
        return Same(plain.Pearson, -turned.Pearson) && Same(plain.Spearman, -turned.Spearman) && Same(plain.Slope, -turned.Slope)
            && Same(plain.TopRecall, turned.TopRecall) && !(plain.SignAgreement + turned.SignAgreement > 1 + 1e-12);
    }));

    [Fact]
    public void Correlations_do_not_tell_exact_from_approximate() => Check.One(Many, Prop.ForAll(Pairs, pairs =>
    {
        var (one, other) = (Agreement.Between(pairs.Exact, pairs.Approximate), Agreement.Between(pairs.Approximate, pairs.Exact));
        return Same(one.Pearson, other.Pearson) && Same(one.Spearman, other.Spearman) && Same(one.TopRecall, other.TopRecall)
            && !(Math.Abs(one.Pearson) > 1) && !(Math.Abs(one.Spearman) > 1);
    }));

    [Fact]
    public void What_equals_the_exact_values_agrees_in_everything() => Check.One(Many, Prop.ForAll(Pairs, pairs =>
    {
        var whole = Agreement.Between(pairs.Exact, pairs.Exact);
        return new[] { whole.Pearson, whole.Spearman, whole.SignAgreement, whole.Slope, whole.TopRecall, 1 - whole.MedianRelativeError }
            .All(figure => double.IsNaN(figure) || Same(figure, 1));
    }));

    [Fact]
    public void Only_the_order_of_values_enters_the_rank_correlation() => Check.One(Many, Prop.ForAll(Pairs, pairs =>
        Same(Agreement.Between(pairs.Exact, pairs.Approximate).Spearman,
            Agreement.Between(pairs.Exact, [.. pairs.Approximate.Select(v => v * v * v)]).Spearman)));

    private static Config Many { get; } = Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(500);

    // small integers, so that ties and zeros are common
    private static Arbitrary<(double[] Exact, double[] Approximate)> Pairs { get; } = Gen.Choose(0, 40)
        .SelectMany(count => Gen.ArrayOf(Gen.Choose(-6, 6), count).Zip(Gen.ArrayOf(Gen.Choose(-6, 6), count)))
        .Select(pair => (pair.Item1.Select(v => (double)v).ToArray(), pair.Item2.Select(v => (double)v).ToArray())).ToArbitrary();

    private static double[] Scaled(double[] values, double by) => [.. values.Select(v => v * by)];

    private static bool Same(double x, double y) => (double.IsNaN(x) && double.IsNaN(y)) || Math.Abs(x - y) < 1e-9;

    private static void AssertNaN(double figure) => Assert.True(double.IsNaN(figure), $"{figure}");
}
