using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Formats;

/// <summary>Layers, columns and ids of a run's nodes in graph JSON.</summary>
internal sealed class ViewerIds
{
    private const string Everywhere = "(all positions)";
    private readonly Dictionary<string, int> _layers;
    private readonly int _metricLayer, _shift;
    private readonly IReadOnlyList<int> _tokens;

    public ViewerIds(RunPicture picture)
    {
        var sites = picture.Sites.Where(s => s.Kind != SiteKind.Embed).ToList();
        var numbers = sites.Select(s => s.Layer + (s.IsLast ? 1 : 0)).ToList();
        IsModelLayer = numbers.Distinct().Count() == numbers.Count;
        if (!IsModelLayer) numbers = [.. Enumerable.Range(0, numbers.Count)];
        if (numbers.Count > 0 && numbers.Max() == 0)
        {
            numbers = [.. numbers.Select(n => n + 1)];
            IsModelLayer = false;
        }
        _layers = sites.Zip(numbers).ToDictionary(p => p.First.Name, p => p.Second);
        _metricLayer = numbers.DefaultIfEmpty(0).Max() + 1;
        var tokens = TokensOf(picture).ToList();
        var prompt = picture.Stored.Record as PromptRunRecord;
        _shift = tokens.Count == 0 || picture.Nodes.Any(n => n.Position < 0 && !n.IsMetric) ? 1 : 0;
        _tokens = prompt?.Tokens ?? [];
        Columns = [.. Enumerable.Repeat(Everywhere, _shift), .. tokens];
        // the viewer drops features that occur in more than two thirds of its columns: in one column all do
        if (Columns.Count == 1) Columns = [.. Columns, ""];
        Target = prompt?.TargetId ?? 0;
        var probability = ProbabilityOf(picture);
        HasProbability = probability > 0;
        Probability = HasProbability ? probability : 1;
    }

    /// <summary>Texts of the viewer's columns.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <summary>Whether layers are numbered as the model's.</summary>
    public bool IsModelLayer { get; }

    /// <summary>The target's token id; 0 where there is none.</summary>
    public int Target { get; }

    /// <summary>Whether the run says the target's probability, and it is above 0.</summary>
    public bool HasProbability { get; }

    /// <summary>The target's probability in the clean run; 1 where the run does not say: the viewer's scores weigh the output with it,
    /// and divide by 0 without.</summary>
    public double Probability { get; }

    public int Layer(PictureNode node) => node.Site is { } site ? _layers[site.Name] : _metricLayer;

    public int Layer(Site site) => _layers[site.Name];

    /// <summary>Where a metric stands nowhere, since no edge leads to it, the last token's.</summary>
    public int Column(PictureNode node) => node.Position + _shift is >= 0 and var column ? column : Columns.Count - 1;

    /// <summary>One number of a feature's layer and its own (Cantor's pairing): what viewers ask for it by.</summary>
    public long FeatureNumber(PictureNode feature)
    {
        long layer = Layer(feature), sum = layer + feature.Feature;
        return (sum * (sum + 1) / 2) + feature.Feature;
    }

    public string Id(PictureNode node) => node.IsToken ? EmbeddingId(Column(node))
        : string.Create(CultureInfo.InvariantCulture, $"{Layer(node)}_{(node.IsMetric ? Target : node.Feature)}_{Column(node)}");

    /// <summary>The id of an output token's node, in the metric's place.</summary>
    public string OutputId(PictureNode metric, int token) =>
        string.Create(CultureInfo.InvariantCulture, $"{Layer(metric)}_{token}_{Column(metric)}");

    /// <summary>The id of a column's embedding node.</summary>
    public string EmbeddingId(int column) => string.Create(CultureInfo.InvariantCulture, $"E_{TokenId(column)}_{column}");

    /// <summary>The vocabulary's id of a column's token; the column itself where the run does not say.</summary>
    public int TokenId(int column) =>
        column >= _shift && column - _shift < _tokens.Count ? _tokens[column - _shift] : column;

    private static IEnumerable<string> TokensOf(RunPicture picture)
    {
        var last = Math.Max(picture.Header.Tokens.Count - 1, picture.Nodes.Max(n => n.Position));
        for (var p = 0; p <= last; p++)
        {
            yield return p < picture.Header.Tokens.Count
                ? picture.Header.Tokens[p]
                : picture.Nodes.FirstOrDefault(n => n.Position == p)?.Token ?? "";
        }
    }

    private static double ProbabilityOf(RunPicture picture)
    {
        var (header, metric) = (picture.Header, picture.Stored.Record.Metric);
        if (header.TargetProbability is var said && !double.IsNaN(said)) return said;
        // runs of earlier versions say those of the likeliest tokens only
        var known = header.TopTokens.Where(t => t.Token == header.Target).Select(t => t.Probability).FirstOrDefault(double.NaN);
        if (double.IsNaN(known))
        {
            known = metric switch
            {
                "prob" => header.CleanMetric,
                "logprob" => Math.Exp(header.CleanMetric),
                "loss" => Math.Exp(-header.CleanMetric),
                _ => 0
            };
        }
        return double.IsFinite(known) ? known : 0;
    }
}
