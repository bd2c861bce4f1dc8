using OnnxAttribution.Circuits;

namespace OnnxAttribution.Tests.Circuits;

/// <summary>Which sizes of circuits a curve has.</summary>
public class FaithfulnessSizesTests
{
    [Fact]
    public void Sizes_grow_by_about_the_same_factor_from_0_to_all()
    {
        Assert.Equal([0, 1, 2, 4, 8, 16, 32, 64], FaithfulnessCurve.Sizes(64, 8));
        Assert.Equal([0, 100], FaithfulnessCurve.Sizes(100, 2));
        Assert.Equal([0], FaithfulnessCurve.Sizes(0, 12));
        Assert.Equal([0, 1], FaithfulnessCurve.Sizes(1, 12));
    }

    [Fact]
    public void More_points_than_tell_anything_are_every_size_once()
    {
        foreach (var all in (int[])[1, 2, 3, 10, 97, 300])
        {
            Assert.Equal(Enumerable.Range(0, all + 1), FaithfulnessCurve.Sizes(all, int.MaxValue));
            for (var points = 2; points < 3 * all * Math.Log(all) + 4; points += 1 + points / 50)
            {
                Assert.Equal(ByDefinition(all, points), FaithfulnessCurve.Sizes(all, points));
            }
        }
    }

    private static IEnumerable<int> ByDefinition(int all, int points) => Enumerable.Range(0, points - 1)
        .Select(i => (int)Math.Round(Math.Pow(all, points == 2 ? 1 : i / (double)(points - 2))))
        .Append(0)
        .Append(all)
        .Distinct()
        .Order();
}
