using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>What is made once and kept.</summary>
public sealed class MadeOnceTests
{
    [Fact]
    public async Task However_many_ask_it_is_made_once()
    {
        var (made, count) = (new MadeOnce<int, object>(), 0);
        var found = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => made.Of(1, () =>
        {
            Interlocked.Increment(ref count);
            return new object();
        }), TestContext.Current.CancellationToken)));
        Assert.Equal(1, count);
        Assert.Single(found.Distinct());
        Assert.Same(found[0], Assert.Single(made.All));
    }

    [Fact]
    public async Task One_may_be_made_while_another_is()
    {
        var made = new MadeOnce<int, int>();
        using var other = new ManualResetEventSlim();
        var first = Task.Run(() => made.Of(1, () =>
        {
            other.Wait(TestContext.Current.CancellationToken);
            return 1;
        }), TestContext.Current.CancellationToken);
        Assert.Equal(2, made.Of(2, () => 2));
        other.Set();
        Assert.Equal(1, await first);
    }

    [Fact]
    public void What_fails_is_made_again()
    {
        var made = new MadeOnce<int, int>();
        Assert.Throws<FormatException>(() => made.Of(1, () => throw new FormatException()));
        Assert.Empty(made.All);
        Assert.Equal(5, made.Of(1, () => 5));
    }

    [Fact]
    public void What_is_removed_is_made_again()
    {
        var made = new MadeOnce<string, string>();
        Assert.Null(made.Remove("a"));
        made.Of("a", () => "old");
        Assert.Equal("old", made.Remove("a"));
        Assert.Equal("new", made.Of("a", () => "new"));
    }

    [Fact]
    public void Nothing_is_kept_as_well()
    {
        var (made, count) = (new MadeOnce<int, object?>(), 0);
        for (var i = 0; i < 2; i++)
        {
            Assert.Null(made.Of(1, () =>
            {
                count++;
                return null;
            }));
        }
        Assert.Equal(1, count);
    }
}
