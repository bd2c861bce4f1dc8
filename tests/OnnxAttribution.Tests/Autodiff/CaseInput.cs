using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>A float32 input of an <see cref="OperatorCase"/> and the entries it may take.</summary>
internal sealed record CaseInput(string Name, int[] Shape, Domain Domain)
{
    /// <summary>Entries that float32 holds exactly.</summary>
    public DoubleTensor Draw(Random random)
    {
        var n = DoubleTensor.Count(Shape);
        double[] grid = [.. Enumerable.Range(0, n).Select(i => (i - n / 2) / 4.0)];
        random.Shuffle(grid);
        return new(Shape, Array.ConvertAll(grid, tread => Domain switch
        {
            Domain.Any => (float)(4 * random.NextDouble() - 2),
            Domain.Positive => (float)(0.5 + 2 * random.NextDouble()),
            Domain.AwayFromZero => (float)((0.5 + 2 * random.NextDouble()) * (random.Next(2) == 0 ? -1 : 1)),
            Domain.Quarters => tread,
            Domain.OddEighths => tread + 0.125,
            _ => throw new InvalidOperationException($"Domain {Domain} has no generator."),
        }));
    }
}
