using OnnxAttribution.Dashboards;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The reading of a text as a bar with speed and time to go.</summary>
internal sealed class FeatureProgressBar(IProgress<string> line) : IProgress<FeatureProgress>
{
    private const int Width = 24;

    /// <summary>Read so far.</summary>
    public long Tokens { get; private set; }

    public void Report(FeatureProgress value)
    {
        Tokens = value.Tokens;
        line.Report(Line(value));
    }

    internal static string Line(FeatureProgress p)
    {
        if (double.IsNaN(p.Share)) return p.Stage;
        var done = (int)Math.Round(Width * Math.Clamp(p.Share, 0, 1));
        var remaining = p.Remaining is { } r
            ? r.TotalHours >= 1 ? $", {(int)r.TotalHours}:{r.Minutes:00} h to go" : $", {(int)r.TotalMinutes}:{r.Seconds:00} to go"
            : "";
        return $"{p.Stage} {new string('█', done)}{new string('░', Width - done)} {p.Share * 100,3:0} %  {p.Tokens:N0} tokens, "
            + $"{p.TokensPerSecond:N0} per second{remaining}";
    }
}
