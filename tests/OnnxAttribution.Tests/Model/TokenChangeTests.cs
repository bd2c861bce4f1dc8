using OnnxAttribution.Model;

namespace OnnxAttribution.Tests.Model;

public class TokenChangeTests
{
    [Fact]
    public void A_change_is_the_difference_unless_it_is_known_more_exactly()
    {
        var change = new TokenChange(7, Clean: 0.25, Ablated: 0.75);
        Assert.Equal((0.5, 2), (change.Change, change.Relative));
        // what float32 leaves of a small change of a large probability is less than was measured
        const float clean = 0.5f, by = 1e-9f;
        Assert.Equal((0.5, by), (new TokenChange(7, clean, clean + by) { Change = by }.Ablated,
            new TokenChange(7, clean, clean + by) { Change = by }.Change));
    }
}
