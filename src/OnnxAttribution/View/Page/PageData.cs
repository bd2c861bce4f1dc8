using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>A picture and its dashboards as the page's script takes them (<see cref="PageContent"/>), in JSON.
/// Safe within a script element: every &lt; is escaped.</summary>
internal sealed class PageData
{
    // all of a card's contexts where few features are drawn; fewer where many are, so that a page stays below 5 MB
    private const int ContextBudget = 6_000, MostContexts = 12, LeastContexts = 3, ShownLogits = 10, ShownNear = 5;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    private readonly RunPicture _picture;
    private readonly FeatureDetails _details;
    private readonly PageStrings _strings = new();
    private readonly Dictionary<(string Site, int Feature), int> _features = [];
    private readonly int _contexts;

    private PageData(RunPicture picture, FeatureDetails details)
    {
        (_picture, _details) = (picture, details);
        foreach (var n in picture.Nodes.Where(n => !n.IsMetric)) _features.TryAdd((n.Site!.Name, n.Feature), _features.Count);
        _contexts = Math.Clamp(ContextBudget / Math.Max(1, _features.Count), LeastContexts, MostContexts);
    }

    /// <param name="file">The page's.</param>
    public static string Json(RunPicture picture, FeatureDetails details, string file) =>
        Json(new PageData(picture, details).Content(From(file, picture.Path), null));

    /// <inheritdoc cref="Json(RunPicture, FeatureDetails, string)"/>
    public static string Json(ComparedPicture compared, FeatureDetails details, string file) =>
        Json(new PageData(compared.Picture, details).Content(From(file, compared.Picture.Path), compared));

    private static string Json(PageContent content)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_options))
        {
            JsonSerializer.Serialize(json, content, PageJson.Default.PageContent);
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    // the same for every place that a run is copied or merged to
    private static string From(string file, string run) =>
        Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(file))!, Path.GetFullPath(run)).Replace('\\', '/');

    private PageContent Content(string directory, ComparedPicture? compared)
    {
        var layout = PictureLayout.Of(_picture);
        IReadOnlyList<PageFeature> features = [.. Features()];   // before the strings, which it fills
        var heads = new PageAttention(_picture);
        var chosen = new PageChoice(_picture, _features);
        var run = Run() with
        {
            Directory = directory,
            Bundle = _picture.Header.BundleHash,
            Ablate = compared is null ? AblateLine.Of(_picture) : null,
            PromptCount = _picture.Prompts.Count,
            Least = FiveDigits.OrNull(_picture.Prompts.Values.Least),
            Most = FiveDigits.OrNull(_picture.Prompts.Values.Most),
        };
        return new PageContent(1, compared?.Title ?? _picture.Header.Title, run, Layout(layout), [.. _picture.Sites.Select(
            s => new PageSite(s.Name, s.ShortName, s.KindName, _picture.Header.NeuronpediaId(s.Name)))],
            features, [.. Nodes(layout)], Edges(), Validation(), Certificate(), heads.Heads(), heads.Scores(), _strings.All)
        {
            Comparison = compared is null ? null : PageComparison.Of(compared),
            Subgraph = chosen.Subgraph(),
            Suggestions = chosen.Suggestions(),
            SuggestionNote = chosen.Note,
        };
    }

    private PageRun Run()
    {
        var h = _picture.Header;
        return new PageRun
        {
            Prompt = h.Prompt,
            PatchPrompt = h.PatchPrompt,
            Tokens = h.Tokens,
            PatchTokens = h.PatchTokens,
            Metric = h.MetricWords,
            Target = h.Target,
            Foil = h.Foil,
            TargetProbability = FiveDigits.OrNull(h.TargetProbability),
            FoilProbability = FiveDigits.OrNull(h.FoilProbability),
            Position = _picture.Nodes[_picture.Metric].Position,
            Clean = FiveDigits.OrNull(_picture.CleanMetric),
            Patch = FiveDigits.OrNull(_picture.PatchMetric),
            Top = [.. h.TopTokens.Select(t => new PageToken(t.Token, FiveDigits.Of(t.Probability)))],
            Options = [.. h.Options.Select(o => new TextPair(o.Name, o.Value))],
            Command = h.CommandLine,
            Explained = FiveDigits.OrNull(h.ExplainedByFeatures),
            Model = h.Model,
            Aggregated = _picture.IsAggregated,
            Ablation = h.IsAblation,
            Coefficient = FiveDigits.Of(h.Coefficient),
            Sign = h.ShowsAblation ? RunNames.AblationSign : "contribution",
            Patched = h.IsPatched,
            Merged = h.IsMerged,
            Prompts = [.. _picture.Prompts.First.Select(p => new PagePrompt(p.Id, p.Text, p.Metric, FiveDigits.OrNull(p.Value), p.Page))],
            Nodes = _picture.Stored.Nodes.Count,
            Kept = _picture.KeptNodes,
            StoredEdges = _picture.Stored.Edges.Length,
            Component = _picture.Component,
            Finished = h.FinishedAt,
            Version = h.Version,
            Dashboards = _details.HasCards,
            Note = _details.PageNote,
        };
    }

    private static PageLayout Layout(PictureLayout layout) =>
        new(FiveDigits.Of(layout.Width), FiveDigits.Of(layout.Height), PictureLayout.BoxWidth, PictureLayout.BoxHeight,
        [.. layout.Rows.Select(r => new PageRow(r.Label, FiveDigits.Of(r.Top), FiveDigits.Of(r.Bottom)))],
        [.. layout.Columns.Select(c => new PageColumn(c.Label, c.Position, FiveDigits.Of(c.Left), FiveDigits.Of(c.Right), c.IsTick))]);

    private IEnumerable<PageFeature> Features()
    {
        var sites = _picture.Sites.Select((s, i) => (s.Name, i)).ToDictionary(p => p.Name, p => p.i);
        var activations = _picture.Stored.Nodes.Where(n => _features.ContainsKey((n.Site, n.Feature))).ToLookup(n => (n.Site, n.Feature));
        var nodes = _picture.Nodes.Where(n => !n.IsMetric).DistinctBy(n => (n.Site!.Name, n.Feature))
            .ToDictionary(n => (n.Site!.Name, n.Feature));
        foreach (var f in _features.OrderBy(f => f.Value).Select(f => f.Key))
        {
            yield return new PageFeature(sites[f.Site], f.Feature,
                [.. activations[f].Where(n => n.Position >= 0).Select(n => new NumberPair(n.Position, n.Activation))],
                _picture.Labels[f.Site, f.Feature]?.Label, _details.WordOf(_picture, nodes[f]),
                _details.TokensWithoutText(f.Site, f.Feature) is { } tokens
                    ? new PageTokens(Texts(tokens.Promoted), Texts(tokens.Suppressed)) : null,
                _details.Card(f.Site, f.Feature) is { } card ? Card(card) : null);
        }
    }

    private IReadOnlyList<int> Texts(IReadOnlyList<string> tokens) => [.. tokens.Take(ShownLogits).Select(_strings.IndexOf)];

    private PageCard Card(FeatureDashboard card) => new(FiveDigits.Of(card.FiringRate),
        FiveDigits.Of(card.MeanActivation), FiveDigits.Of(card.MaxActivation), card.Histogram,
        [.. Shown(card.Contexts).Select(c => new PageContext(c.Quantile, c.Peak, [.. c.Tokens.Select(_strings.IndexOf)],
            [.. c.Activations.Index().Where(a => a.Item != 0).Select(a => new NumberPair(a.Index, a.Item))]))],
        Logits(card.Promoted), Logits(card.Suppressed),
        [.. card.Nearest.Take(ShownNear).Select(n => new NumberPair(n.Feature, n.Cosine))]);

    // two thirds from the top, the rest from below
    private IEnumerable<FeatureContext> Shown(IReadOnlyList<FeatureContext> contexts)
    {
        var below = contexts.Where(c => c.Quantile > 0).DistinctBy(c => c.Quantile).Take(_contexts / 3).ToList();
        return contexts.Where(c => c.Quantile == 0).Take(_contexts - below.Count).Concat(below);
    }

    private IReadOnlyList<NumberPair> Logits(IReadOnlyList<TokenLogit> logits) =>
        [.. logits.Take(ShownLogits).Select(l => new NumberPair(_strings.IndexOf(l.Token), l.Logit))];

    private IEnumerable<PageNode> Nodes(PictureLayout layout)
    {
        var sites = _picture.Sites.Select((s, i) => (s, i)).ToDictionary(p => p.s, p => p.i);
        return _picture.Nodes.Select((n, i) => new PageNode(n.Site is { } site ? sites[site] : -1, n.Position,
            n.Site is { } of ? _features[(of.Name, n.Feature)] : -1, FiveDigits.Of(layout.X[i]), FiveDigits.Of(layout.Y[i]),
            FiveDigits.OrNull(n.Activation), FiveDigits.OrNull(n.PatchActivation), FiveDigits.OrNull(n.Gradient),
            FiveDigits.OrNull(n.Effect), FiveDigits.OrNull(n.ExactEffect), n.Method, FiveDigits.OrNull(n.EffectError),
            n.IsUnreliable, n.Component, n.IsMetric ? null : _picture.Prompts.Having(n.Site!.Name, n.Feature), n.Label));
    }

    private PageEdges Edges()
    {
        IReadOnlyList<double?> Column(Func<PictureEdge, double?> of) => [.. _picture.Edges.Select(e => FiveDigits.OrNull(of(e)))];
        return new PageEdges([.. _picture.Edges.Select(e => e.Up)], [.. _picture.Edges.Select(e => e.Down)], Column(e => e.Jacobian),
            Column(e => e.Effect), Column(e => e.OnMetric), Column(e => e.OnDownstream), [.. _picture.Edges.Select(Prompts)]);
    }

    private int? Prompts(PictureEdge edge)
    {
        var (up, down) = (_picture.Nodes[edge.Up], _picture.Nodes[edge.Down]);
        return _picture.Prompts.Having((up.Site!.Name, up.Feature), down.IsMetric ? null : (down.Site!.Name, down.Feature));
    }

    private PageTable? Validation() => ValidationTable.Of(_picture.Stored.Record) is not { } table ? null
        : Table(table.Words, ValidationTable.Columns, table.Rows);

    private PageTable? Certificate() => CertificateTable.Of(_picture.Stored.Record) is not { } table ? null
        : Table(table.Words, CertificateTable.Columns, table.Rows);

    private static PageTable Table(string words, IReadOnlyList<string> columns,
        IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> rows) =>
        new(words, [.. columns.Prepend("")], [.. rows.Select(r => (IReadOnlyList<string>)[r.Name, .. r.Figures])]);
}
