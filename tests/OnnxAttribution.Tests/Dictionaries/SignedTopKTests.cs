using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Tests.Dictionaries;

/// <summary>TopK as circuit-tracer has it keeps the sign of the k largest; SAELens's classes apply ReLU.</summary>
public sealed class SignedTopKTests
{
    [Theory]
    [InlineData(new float[] { 1, 5, 3, 2 }, new[] { 1, 2 }, new float[] { 5, 3 })]
    [InlineData(new float[] { 4, 1, 6, 2 }, new[] { 0, 2 }, new float[] { 4, 6 })]
    [InlineData(new float[] { -4, -1, 6, -2 }, new[] { 1, 2 }, new float[] { -1, 6 })]
    [InlineData(new float[] { -4, -1, -6, -2 }, new[] { 1, 3 }, new float[] { -1, -2 })]
    [InlineData(new float[] { -4, 0, 6, -2 }, new[] { 2 }, new float[] { 6 })]
    [InlineData(new float[] { -3, -3, -3, 1 }, new[] { 0, 3 }, new float[] { -3, 1 })]
    public void The_k_largest_keep_their_sign(float[] row, int[] features, float[] activations)
    {
        var found = new SparseRows();
        new ActiveFinder().Add([.. row, .. row], new ActiveRule(row.Length, K: 2, KeepsSign: true), found);
        for (var r = 0; r < 2; r++)
        {
            Assert.Equal(features, found.Features(r).ToArray());
            Assert.Equal(activations, found.Activations(r).ToArray());
        }
    }

    [Fact]
    public void Without_signs_what_is_not_above_0_is_off()
    {
        var found = new SparseRows();
        new ActiveFinder().Add([-4, -1, 6, -2], new ActiveRule(4, K: 2), found);
        Assert.Equal([2], found.Features(0).ToArray());
    }
}
