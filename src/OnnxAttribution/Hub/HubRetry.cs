using System.Globalization;

namespace OnnxAttribution.Hub;

/// <summary>Does something again while that may help: after a connection dropped, or when a busy server says so.</summary>
/// <param name="say">Told what happened and how long is waited, a line each time.</param>
internal sealed class HubRetry(HubOptions options, Action<string> say)
{
    private static readonly TimeSpan s_mostDelay = TimeSpan.FromMinutes(1), s_mostPatience = TimeSpan.FromMinutes(10);

    /// <param name="what">What is asked for, such as an address.</param>
    /// <param name="work">One attempt; throws <see cref="HubPauseException"/> where another may help.</param>
    /// <param name="have">Bytes that came so far: attempts that bring some do not count as failures. Null: there are none.</param>
    /// <exception cref="HubException">It was given up.</exception>
    public async Task<T> RunAsync<T>(string what, Func<Task<T>> work, Func<long>? have, CancellationToken cancel)
    {
        var (failures, delay, most) = (0, options.FirstDelay, have?.Invoke() ?? 0);
        while (true)
        {
            try
            {
                return await work();
            }
            catch (HubPauseException pause)
            {
                if (have?.Invoke() is { } now && now > most) (failures, delay, most) = (0, options.FirstDelay, now);
                if (++failures >= options.Tries) throw GivenUp(what, pause, failures, have?.Invoke());
                if (pause.After > s_mostPatience)
                {
                    throw new HubException($"{what}: {pause.Message}, and asks to be left alone for {Seconds(pause.After.Value)}; "
                        + "run the same command again then, what came stays", pause);
                }
                var wait = pause.After ?? delay;
                say($"{pause.Message}; going on in {Seconds(wait)}");
                await options.Pause(wait, cancel);
                delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, s_mostDelay.Ticks));
            }
        }
    }

    private static HubException GivenUp(string what, HubPauseException pause, int failures, long? have)
    {
        var (times, further) = (failures == 1 ? "once" : $"{failures} times", have is null ? "" : " without a further byte");
        return new HubException($"{what}: {pause.Message}, {times}{further}; check HF_ENDPOINT, proxies and the network, then run the same "
            + $"command again{(have > 0 ? $", which goes on at {have:N0} bytes" : "")}", pause);
    }

    private static string Seconds(TimeSpan wait) => string.Create(CultureInfo.InvariantCulture, $"{wait.TotalSeconds:N0} s");
}
