using System.Text.Json;
using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>What the browser's own record says of a page's main thread.</summary>
internal static class MainThread
{
    /// <returns>How long the thread was at work in the longest of its tasks, scripts, styles, layout and painting together, in ms. That is
    /// the processor's time: what others do on the machine meanwhile does not count.</returns>
    public static async Task<double> LongestTask(IPage page, Func<Task> act)
    {
        var session = await page.Context.NewCDPSessionAsync(page);
        var (events, whole) = (new List<JsonElement>(), new TaskCompletionSource());
        session.Event("Tracing.dataCollected").OnEvent += (_, e) => events.AddRange(e!.Value.GetProperty("value").EnumerateArray());
        session.Event("Tracing.tracingComplete").OnEvent += (_, _) => whole.TrySetResult();
        await session.SendAsync("Tracing.start", new Dictionary<string, object>
        {
            ["transferMode"] = "ReportEvents",
            ["categories"] = "toplevel,devtools.timeline",
        });
        await act();
        await session.SendAsync("Tracing.end");
        await whole.Task;
        await session.DetachAsync();
        // of all threads of the browser the one that runs this page's frames
        var thread = events.Where(e => Name(e) == "FireAnimationFrame").CountBy(Thread).MaxBy(t => t.Value).Key;
        return events.Where(e => Name(e) == "ThreadControllerImpl::RunTask" && Thread(e) == thread)
            .Max(e => e.TryGetProperty("tdur", out var at) ? at.GetDouble() / 1000 : 0);
    }

    private static string? Name(JsonElement e) => e.GetProperty("name").GetString();

    private static (int, int) Thread(JsonElement e) => (e.GetProperty("pid").GetInt32(), e.GetProperty("tid").GetInt32());
}
