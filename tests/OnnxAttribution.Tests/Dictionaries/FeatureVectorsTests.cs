using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Tests.Dictionaries;

/// <summary>Rows that a run needs: of its own, or lent by a file.</summary>
public sealed class FeatureVectorsTests
{
    private static readonly float[] s_all = [.. Enumerable.Range(0, 12).Select(i => (float)i)];

    [Fact]
    public void Lent_ones_are_found_by_feature_and_copied_where_a_run_takes_some()
    {
        var lent = FeatureVectors.Lent(s_all, 3);
        Assert.Equal((true, 0L, true), (lent.IsLent, lent.Count, lent.Has(3)));
        Assert.Equal([6, 7, 8], lent[2].ToArray());
        Assert.Equal([3, 4, 5, 9, 10, 11], lent.Of([1, 3]).ToArray());
        Assert.Equal(s_all, lent.Of([0, 1, 2, 3]).ToArray());
        Assert.Throws<InvalidOperationException>(() => lent.At(0)[0] = 1);
    }

    [Fact]
    public void Own_ones_are_filled_and_taken_in_one_piece()
    {
        var own = new FeatureVectors([1, 3], 3);
        s_all.AsSpan(3, 3).CopyTo(own.At(0));
        s_all.AsSpan(9, 3).CopyTo(own.At(1));
        Assert.Equal((false, 6L, false), (own.IsLent, own.Count, own.Has(2)));
        Assert.Equal([9, 10, 11], own[3].ToArray());
        Assert.Equal([3, 4, 5, 9, 10, 11], own.Of([1, 3]).ToArray());
        Assert.Equal([9, 10, 11], own.Of([3]).ToArray());
    }
}
