using System.Globalization;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Reports;

/// <summary>A bar that says how far a dataset is, how fast it goes and how long it takes.</summary>
internal sealed class DatasetBar(IProgress<string> line) : IProgress<DatasetProgress>
{
    private const int Width = 24;

    public void Report(DatasetProgress value) => line.Report(Line(value));

    internal static string Line(DatasetProgress p)
    {
        var full = p.Of == 0 ? Width : (int)((long)Width * p.Done / p.Of);
        var rate = p.PerSecond is not { } r ? "" : r >= 1
            ? string.Create(CultureInfo.InvariantCulture, $", {r:0.0} a second")
            : string.Create(CultureInfo.InvariantCulture, $", {1 / r:0.0} s each");
        var left = p.Remaining is not { } t ? "" : t.TotalHours >= 1 ? $", {(int)t.TotalHours}:{t.Minutes:00} h to go"
            : $", {(int)t.TotalMinutes}:{t.Seconds:00} to go";
        return $"{p.Stage} {new string('█', full)}{new string('░', Width - full)} {p.Done} of {p.Of}{rate}{left}";
    }
}
