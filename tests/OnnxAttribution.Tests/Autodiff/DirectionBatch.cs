using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>Several cotangents or tangents of one shape as one tensor with the batch axis in front, and apart again.</summary>
internal static class DirectionBatch
{
    public static DoubleTensor Stack(IReadOnlyList<DoubleTensor> parts) =>
        new([parts.Count, .. parts[0].Shape], [.. parts.SelectMany(p => p.Data)]);

    public static DoubleTensor Row(DoubleTensor batch, int b)
    {
        var size = DoubleTensor.Count(batch.Shape.AsSpan(1));
        return new(batch.Shape[1..], batch.Data[(b * size)..((b + 1) * size)]);
    }

    /// <summary>Equal shapes, and entries apart by no more than a share of the largest one.</summary>
    public static void AssertClose(DoubleTensor expected, DoubleTensor actual, double share)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var largest = Math.Max(1, expected.Data.Select(Math.Abs).DefaultIfEmpty().Max());
        for (var i = 0; i < expected.Data.Length; i++) Assert.Equal(expected.Data[i], actual.Data[i], tolerance: share * largest);
    }
}
