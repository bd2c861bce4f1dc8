using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>A tensor's first entries along axes, against indices counted one by one.</summary>
public sealed class TensorPrefixTests
{
    [Theory]
    [InlineData(new[] { 2, 3, 5 }, new[] { 2 }, 3)]
    [InlineData(new[] { 2, 3, 5 }, new[] { 1 }, 2)]
    [InlineData(new[] { 4, 4 }, new[] { 0, 1 }, 3)]
    [InlineData(new[] { 1, 4, 3 }, new[] { 1 }, 2)]
    [InlineData(new[] { 1, 1, 4, 3, 4, 2 }, new[] { 2, 4 }, 1)]
    [InlineData(new[] { 3 }, new[] { 0 }, 3)]
    [InlineData(new[] { 2, 2 }, new int[0], 9)]
    public void First_entries_are_those_of_the_whole(int[] shape, int[] axes, int length)
    {
        var entries = Enumerable.Range(0, shape.Aggregate((a, b) => a * b)).Select(i => (long)i).ToArray();
        using var whole = OrtValue.CreateTensorValueFromMemory(entries, Array.ConvertAll(shape, n => (long)n));
        using var part = TensorPrefix.Of(whole, axes, length);
        int[] sizes = [.. shape.Select((n, i) => axes.Contains(i) ? length : n)];
        Assert.Equal(Array.ConvertAll(sizes, n => (long)n), part.GetTensorTypeAndShape().Shape);
        Assert.Equal(entries.Where(e => Index(e, shape).Zip(sizes).All(p => p.First < p.Second)),
            part.GetTensorDataAsSpan<long>().ToArray());
    }

    [Fact]
    public void Entries_of_any_width_are_taken()
    {
        using var whole = OrtValue.CreateTensorValueFromMemory((bool[])[true, false, true, true, false, false], [2, 3]);
        using var part = TensorPrefix.Of(whole, [1], 2);
        Assert.Equal([true, false, true, false], part.GetTensorDataAsSpan<bool>().ToArray());
    }

    private static IEnumerable<long> Index(long entry, int[] shape)
    {
        for (var i = 0; i < shape.Length; i++)
        {
            var stride = shape.Skip(i + 1).Aggregate(1, (a, b) => a * b);
            yield return entry / stride % shape[i];
        }
    }
}
