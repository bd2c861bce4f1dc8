using OnnxAttribution.Ablation;

namespace OnnxAttribution.Tests.Ablation;

public class StrongestEdgesTests
{
    [Theory, InlineData(0), InlineData(1), InlineData(100), InlineData(null)]
    public void The_strongest_of_many_are_kept_in_any_order_of_coming(int? top)
    {
        var random = new Random(3);
        var all = Enumerable.Range(0, 20000)
            .Select(i => (Up: i % 100, Position: i / 100 % 7, Feature: i, Effect: random.Next(-5000, 5000) / 1000f))
            .ToArray();
        var kept = new List<AblationEdge[]>();
        for (var turn = 0; turn < 2; turn++)
        {
            random.Shuffle(all);
            var strongest = new StrongestEdges(2, top, threshold: 0.5f);
            foreach (var (up, position, feature, effect) in all) strongest.Add(new NodeKey(1, -1, up), position, feature, effect);
            Assert.Equal(all.Length, strongest.Seen);
            kept.Add([.. strongest.Kept()]);
        }
        Assert.Equal(kept[0], kept[1]);
        Assert.All(kept[0], e => Assert.Equal((1, 2), (e.Up.Site, e.Down.Site)));
        var expected = all.Select(e => Math.Abs(e.Effect)).Where(e => e >= 0.5f).OrderDescending().Take(top ?? int.MaxValue);
        Assert.Equal(expected, kept[0].Select(e => Math.Abs(e.Effect)));
    }
}
