using System.Diagnostics;

namespace OnnxAttribution.Tests;

/// <summary>How long a test waits for what must happen: no claim about speed,
/// but the minutes after which, on the busiest machine, it hangs.</summary>
internal static class Patience
{
    public static TimeSpan Limit { get; } = TimeSpan.FromMinutes(10);

    /// <summary>Waits for a state, looking again and again.</summary>
    /// <param name="what">What is waited for, for the message.</param>
    public static void Until(Func<bool> state, string what)
    {
        var start = Stopwatch.GetTimestamp();
        while (!state())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < Limit, $"hung: waited {Limit.TotalMinutes:0} minutes for {what}");
            Thread.Sleep(5);
        }
    }

    /// <summary>Does what may block, and fails where it never ends.</summary>
    public static async Task Of(Action act, string what)
    {
        var done = Task.Factory.StartNew(act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.True(await Task.WhenAny(done, Task.Delay(Limit)) == done, $"hung: {what} did not end within {Limit.TotalMinutes:0} minutes");
        await done;
    }

    /// <summary>Waits for the end of a process, which is killed where it hangs.</summary>
    /// <returns>Its exit code.</returns>
    public static int ExitOf(Process process)
    {
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"hung: {process.StartInfo.FileName} did not end within {Limit.TotalMinutes:0} minutes");
        }
        return process.ExitCode;
    }
}
