using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>Work that is done beside what runs.</summary>
public sealed class WorkAheadTests
{
    [Fact]
    public void What_is_begun_first_is_done_first()
    {
        var done = new List<int>();
        using var all = new ManualResetEventSlim();
        using var ahead = new WorkAhead();
        ahead.Begin("a", [() => done.Add(1), () => done.Add(2)]);
        ahead.Begin("b", [() => done.Add(3), all.Set]);
        all.Wait(TestContext.Current.CancellationToken);
        Assert.Equal([1, 2, 3], done);
    }

    [Fact]
    public void The_same_is_not_begun_twice()
    {
        var count = 0;
        using var all = new ManualResetEventSlim();
        using var ahead = new WorkAhead();
        for (var i = 0; i < 3; i++) ahead.Begin(("metric", 1), [() => count++]);
        ahead.Begin("last", [all.Set]);
        all.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(1, count);
    }

    [Fact]
    public void A_failure_ends_its_own_work_only()
    {
        var done = new List<int>();
        using var all = new ManualResetEventSlim();
        using var ahead = new WorkAhead();
        ahead.Begin("a", [() => throw new FormatException(), () => done.Add(1)]);
        ahead.Begin("b", [() => done.Add(2), all.Set]);
        all.Wait(TestContext.Current.CancellationToken);
        Assert.Equal([2], done);
    }

    [Fact]
    public async Task It_ends_after_the_step_that_is_being_done()
    {
        var (done, ahead) = (new List<int>(), new WorkAhead());
        using var begun = new ManualResetEventSlim();
        using var goesOn = new ManualResetEventSlim();
        ahead.Begin("a", [() =>
        {
            begun.Set();
            goesOn.Wait(TestContext.Current.CancellationToken);
            done.Add(1);
        }, () => done.Add(2)]);
        begun.Wait(TestContext.Current.CancellationToken);
        var end = Task.Run(ahead.Dispose, TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => ahead.IsOver);
        goesOn.Set();
        await end;
        Assert.Equal([1], done);
        ahead.Begin("b", [() => done.Add(3)]);
        Assert.Equal([1], done);
    }
}
