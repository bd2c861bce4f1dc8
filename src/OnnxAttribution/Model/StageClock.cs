using System.Diagnostics;

namespace OnnxAttribution.Model;

/// <summary>Seconds by stage, where stages take turns.</summary>
internal sealed class StageClock
{
    private readonly Dictionary<string, double> _seconds = [];
    private long _last = Stopwatch.GetTimestamp();

    public IReadOnlyDictionary<string, double> Seconds => _seconds;

    /// <summary>A clock of one of several pieces of work that have taken so long together, which goes on from now.</summary>
    public StageClock Share(int pieces)
    {
        var clock = new StageClock();
        foreach (var (stage, seconds) in _seconds) clock._seconds[stage] = seconds / pieces;
        return clock;
    }

    /// <summary>The time since the last call, or since the clock was made, was this stage's.</summary>
    public void Record(string stage)
    {
        var now = Stopwatch.GetTimestamp();
        _seconds[stage] = _seconds.GetValueOrDefault(stage) + Stopwatch.GetElapsedTime(_last, now).TotalSeconds;
        _last = now;
    }

    /// <summary>As <see cref="Record(string)"/>, for a stage of which a part has been timed: the part counts apart.</summary>
    public void Record(string part, double seconds, string rest)
    {
        _seconds[part] = _seconds.GetValueOrDefault(part) + seconds;
        Record(rest);
        _seconds[rest] -= seconds;
    }
}
