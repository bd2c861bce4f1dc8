using System.Globalization;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Hub;

namespace OnnxAttribution.Cli.Reports;

/// <summary>A fetching as a bar with speed and time to go, drawn a few times a second.</summary>
internal sealed class FetchProgressBar(IProgress<string> line)
{
    private const int Width = 24;
    private const long Interval = 100;

    private long _drawn;

    public void Report(FetchProgress value)
    {
        var now = Environment.TickCount64;
        if (!double.IsNaN(value.Share) && value.Bytes < value.Total && now - _drawn < Interval) return;
        _drawn = now;
        line.Report(Line(value));
    }

    internal static string Line(FetchProgress p)
    {
        if (double.IsNaN(p.Share)) return p.File;
        var done = (int)Math.Round(Width * Math.Clamp(p.Share, 0, 1));
        var speed = double.IsNaN(p.PerSecond) ? "" : $", {Screen.Bytes((long)p.PerSecond)} per second";
        var remaining = p.Remaining is not { } r ? ""
            : r.TotalHours >= 1 ? $", {(int)r.TotalHours}:{r.Minutes:00} h to go" : $", {(int)r.TotalMinutes}:{r.Seconds:00} to go";
        return string.Create(CultureInfo.InvariantCulture, $"{p.File} {new string('█', done)}{new string('░', Width - done)} "
            + $"{p.Share * 100,3:0} %  {Screen.Bytes(p.Bytes)} of {Screen.Bytes(p.Total)}{speed}{remaining}");
    }
}
