using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Curves;

namespace OnnxAttribution.Tests.Curves;

public class CoefficientsTests
{
    [Theory]
    [InlineData("0..1:0.25", new[] { 0, 0.25, 0.5, 0.75, 1 })]
    [InlineData("0..1:0.3", new[] { 0, 0.3, 0.6, 0.9 })]
    [InlineData("-1..2:1", new double[] { -1, 0, 1, 2 })]
    [InlineData("1..1:0.5", new double[] { 1 })]
    [InlineData("0,0.5,1", new[] { 0, 0.5, 1 })]
    [InlineData("2, -0.5 ,2,1e-1", new[] { -0.5, 0.1, 2 })]
    [InlineData("1", new double[] { 1 })]
    public void A_range_or_list_is_read_ascending_and_each_once(string text, double[] expected) =>
        Assert.Equal(expected, Coefficients.Parse(text));

    [Fact]
    public void Tenths_are_the_tenths_that_were_written()
    {
        Assert.Equal([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1], Coefficients.Parse("0..1:0.1"));
        Assert.False(double.IsNegative(Coefficients.Parse("-0.1..0.1:0.1")[1]));
    }

    [Fact]
    public void A_range_ends_where_its_last_step_lands() => Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Ranges, r =>
    {
        var points = Coefficients.Parse(FormattableString.Invariant($"{r.From}..{r.From + (r.Steps * r.Step)}:{r.Step}"));
        return points.Count == r.Steps + 1 && points[0] == (double)r.From && points[^1] == (double)(r.From + (r.Steps * r.Step))
            && points.Zip(points.Skip(1)).All(p => p.First < p.Second);
    }));

    [Fact]
    public void A_list_in_any_order_is_the_same_list() => Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Ranges, r =>
    {
        var numbers = Enumerable.Range(0, r.Steps + 1).Select(i => r.From + (i * r.Step)).ToArray();
        string Written(IEnumerable<decimal> list) => string.Join(',', list.Select(n => FormattableString.Invariant($"{n}")));
        return Coefficients.Parse(Written(numbers)).SequenceEqual(Coefficients.Parse(Written(numbers.Reverse().Concat(numbers))));
    }));

    [Theory]
    [InlineData("0..1", "no step", "0..1:0.1")]
    [InlineData("1..0:0.1", "downwards", "write 0..1:0.1")]
    [InlineData("0..1:0", "step 0", "above 0")]
    [InlineData("0..1:-0.1", "step -0.1", "above 0")]
    [InlineData("0..1:0.00001", "100,001 points", "at most 10,000")]
    [InlineData("0..1000000:1e-20", "points", "larger step")]
    [InlineData("0..1..2:1", "no range", "0..1:0.1")]
    [InlineData("0..1:1:1", "no range", "0..1:0.1")]
    [InlineData("0..x:0.1", "'x'", "no number")]
    [InlineData("0,half,1", "'half'", "no number")]
    [InlineData("0,,1", "''", "no number")]
    [InlineData("", "''", "no number")]
    [InlineData("..:", "''", "no number")]
    [InlineData("nan", "'nan'", "no number")]
    [InlineData("1e40", "'1e40'", "no number")]
    [InlineData("2000000", "2000000", "between")]
    [InlineData("1:0.1", "no range", "0..1:0.1")]
    public void What_is_neither_is_answered_with_what_is(string text, params string[] words)
    {
        var message = Assert.Throws<FormatException>(() => Coefficients.Parse(text)).Message;
        Assert.All(words, w => Assert.Contains(w, message));
    }

    [Fact]
    public void Any_text_is_read_or_refused() => Check.One(Config.QuickThrowOnFailure, Prop.ForAll(ArbMap.Default.ArbFor<string?>(), text =>
    {
        try
        {
            return Coefficients.Parse(text ?? "") is { Count: > 0 and <= Coefficients.Most } points && points.All(double.IsFinite);
        }
        catch (FormatException)
        {
            return true;
        }
    }));

    private static Arbitrary<(decimal From, decimal Step, int Steps)> Ranges => (
        from ten in Gen.Choose(-500, 500)
        from step in Gen.Choose(1, 300)
        from steps in Gen.Choose(0, 40)
        select (ten / 100m, step / 1000m, steps)).ToArbitrary();
}
