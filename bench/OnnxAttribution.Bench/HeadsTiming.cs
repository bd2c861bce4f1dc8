using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Bench;

/// <summary>What splitting the strongest edges by heads adds to a graph: medians over the same prompts, in the same run.</summary>
/// <param name="Plain">Seconds of a graph that keeps as many edges.</param>
/// <param name="Split">Seconds of the same with every kept edge split by heads.</param>
internal sealed record HeadsTiming(double Plain, double Split)
{
    /// <summary>How many edges are kept: as many as <c>graph</c> keeps by default.</summary>
    public const int Edges = 1000;

    /// <summary>Times both in turn; the first of each is not counted, since it makes the sessions.</summary>
    public static HeadsTiming Measure(LoadedModel model, int[][] prompts, GraphOptions options)
    {
        var (plain, split) = (new List<double>(), new List<double>());
        var kept = options with { TopEdges = Edges };
        foreach (var tokens in prompts)
        {
            plain.Add(Time(kept));
            split.Add(Time(kept with { Heads = new HeadRequest() }));

            double Time(GraphOptions asked)
            {
                var start = Stopwatch.GetTimestamp();
                GraphFinder.Find(model, tokens, null, asked);
                return Stopwatch.GetElapsedTime(start).TotalSeconds;
            }
        }
        return new HeadsTiming(Figures.Rounded(Figures.Median([.. plain.Skip(1)])), Figures.Rounded(Figures.Median([.. split.Skip(1)])));
    }
}
