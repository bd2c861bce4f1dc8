using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Clusters;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>cluster</c> that say how clusters are found.</summary>
internal sealed class ClusterOptions
{
    private const int Least = 2, Most = 1000;

    private readonly Option<(int Least, int Most)?> _clusters = new("--clusters")
    {
        Description = "how many, or a range of which the number with the largest mean silhouette is taken (2-20)",
        HelpName = "K|K-K",
        CustomParser = result => Parse(result.Tokens[0].Value) is { } range ? range : Wrong(result),
    };
    private readonly Option<string> _method = ChoiceOptions.OneOf("--method",
        "kmeans: spherical, from k-means++; average: the two nearest on average are joined, for at most 10,000 prompts",
        "kmeans", "average");
    private readonly Option<bool> _edges = new("--edges") { Description = "edges count too, as much as nodes" };
    private readonly Option<int> _restarts = NumberOptions.Whole("--restarts", "how many times k-means begins anew, the best is taken",
        new ClusterRequest(Least, Least).Restarts, least: 1);
    private readonly Option<int> _seed = ModelOptions.Seed("of k-means' beginnings");
    private readonly Option<int> _top =
        NumberOptions.Whole("--top", "nodes that are told of each cluster", new ClusterRequest(Least, Least).Top, least: 0);
    private readonly Option<int> _memory = ModelOptions.Memory("memory that clusters' sums, or a run's cotangents, may take");

    /// <param name="command">Gets the options.</param>
    public ClusterOptions(Command command)
    {
        _seed.AtLeast(0);
        foreach (var option in (Option[])[_clusters, _method, _edges, _restarts, _seed, _top, _memory]) command.Options.Add(option);
    }

    public Option Edges => _edges;

    public Option<int> Memory => _memory;

    /// <summary>Refuses what the method has no use for.</summary>
    public void Contradict(CommandResult result)
    {
        if (result.GetValue(_method) != "average") return;
        if (result.IsGiven(_restarts)) result.AddError("--restarts goes with --method kmeans");
        if (result.IsGiven(_seed)) result.AddError("--seed goes with --method kmeans");
    }

    public ClusterRequest Request(ParseResult parsed, RunContext context)
    {
        var (least, most) = parsed.GetValue(_clusters) ?? (Least, 20);
        return new ClusterRequest(least, most)
        {
            Method = parsed.GetValue(_method) == "average" ? ClusterMethod.Average : ClusterMethod.KMeans,
            WithEdges = parsed.GetValue(_edges),
            Restarts = parsed.GetValue(_restarts),
            Seed = parsed.GetValue(_seed),
            Top = parsed.GetValue(_top),
            Threads = context.Threads,
            MemoryBytes = context.MemoryBudget,
        };
    }

    private static (int, int)? Parse(string text)
    {
        int? Number(string part) => int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
            && n is >= Least and <= Most ? n : null;
        return text.Split('-') switch
        {
            [var one] when Number(one) is { } k => (k, k),
            [var from, var to] when Number(from) is { } least && Number(to) is { } most && least <= most => (least, most),
            _ => null,
        };
    }

    private static (int, int)? Wrong(ArgumentResult result)
    {
        result.AddError($"--clusters cannot be '{result.Tokens[0].Value}'; it takes a whole number from {Least} to {Most}, "
            + "or a range such as 2-20");
        return null;
    }
}
