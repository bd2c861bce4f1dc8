using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>Pieces of work side by side.</summary>
public sealed class SideBySideTests
{
    [Theory, InlineData(1, 1), InlineData(2, 1), InlineData(2, 2)]
    public void Threads_are_shared_out_among_lanes(int threads, int lanes)
    {
        var context = new RunContext(threads: threads, lanes: lanes);
        var all = Math.Min(threads, RunContext.UsableCores);
        Assert.Equal((Math.Min(lanes, all), all / Math.Min(lanes, all)), (context.Lanes, context.Threads));
    }

    [Fact]
    public void There_are_no_more_lanes_than_threads()
    {
        var context = new RunContext(threads: 1, lanes: 100);
        Assert.Equal((1, 1), (context.Lanes, context.Threads));
    }

    [Theory, InlineData(1), InlineData(2)]
    public void Every_piece_is_done_once(int lanes)
    {
        var done = new int[100];
        SideBySide.For(new RunContext(threads: 2, lanes: lanes), done.Length, i => Interlocked.Increment(ref done[i]));
        Assert.All(done, n => Assert.Equal(1, n));
    }

    [Fact]
    public void Within_a_lane_pieces_are_done_one_after_the_other()
    {
        var context = new RunContext(threads: 2, lanes: 2);
        SideBySide.For(context, 8, _ =>
        {
            var (thread, running) = (Environment.CurrentManagedThreadId, 0);
            SideBySide.For(context, 5, _ =>
            {
                Assert.Equal(thread, Environment.CurrentManagedThreadId);
                Assert.Equal(1, ++running);
                running--;
            });
        });
    }

    [Theory, InlineData(1), InlineData(2)]
    public void The_first_failure_is_thrown_as_it_was(int lanes)
    {
        for (var repeat = 0; repeat < 20; repeat++)
        {
            var e = Assert.Throws<FormatException>(() => SideBySide.For(new RunContext(threads: 2, lanes: lanes), 50, i =>
            {
                if (i is 3 or 4 or 49) throw new FormatException($"piece {i}");
            }));
            Assert.Equal("piece 3", e.Message);
        }
    }
}
