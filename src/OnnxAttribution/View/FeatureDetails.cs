using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>What pictures show of features beside the graph: their dashboards, and the tokens that they raise and lower.</summary>
internal sealed class FeatureDetails
{
    private const string NoTokens = "no tokens are named that features raise or lower",
        NoWords = "features are shown without words: neither their contexts nor the tokens that they raise are known";

    private readonly IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> _cards;
    private readonly IReadOnlyDictionary<(string Site, int Feature), TokenLists> _tokens;

    private FeatureDetails(DashboardCards cards, IReadOnlyDictionary<(string Site, int Feature), TokenLists> tokens, string? note) =>
        (_cards, _tokens, ContextNote, TokenNote, PageNote) = (cards.Cards, tokens, cards.Note, note, cards.Note);

    /// <summary>Nothing is known of any feature.</summary>
    public static FeatureDetails None { get; } = With(DashboardCards.None(null));

    /// <summary>What the reader should know of missing contexts; null: nothing.</summary>
    public string? ContextNote { get; }

    /// <summary>What the reader should know of missing tokens; null: nothing.</summary>
    public string? TokenNote { get; }

    /// <summary>What the reader of a page should know of both; null: nothing.</summary>
    public string? PageNote { get; private init; }

    /// <summary>Whether any feature has a dashboard.</summary>
    public bool HasCards => _cards.Count > 0;

    /// <summary>Dashboards alone.</summary>
    public static FeatureDetails With(DashboardCards cards) => new(cards, new Dictionary<(string, int), TokenLists>(), null);

    /// <param name="model">The bundle; null: where it was when the run was made, and where that is damaged it costs the graph its
    /// details and no more.</param>
    /// <exception cref="OnnxAttributionException"><paramref name="model"/> is no bundle, or a part of it is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FeatureDetails Of(RunPicture picture, string? model, CancellationToken cancel)
    {
        try
        {
            return Read(picture, model, cancel);
        }
        catch (OnnxAttributionException e) when (model is null)
        {
            return new(DashboardCards.None(e.Message), None._tokens, e.Message);
        }
    }

    /// <summary>null: it has none.</summary>
    public FeatureDashboard? Card(string site, int feature) => _cards.GetValueOrDefault((site, feature));

    /// <summary>What the weights alone say; null where a dashboard says it, or it is not known.</summary>
    public TokenLists? TokensWithoutText(string site, int feature) =>
        Card(site, feature) is { Promoted.Count: > 0 } ? null : _tokens.GetValueOrDefault((site, feature));

    /// <summary>null: they are not known.</summary>
    public TokenLists? Tokens(PictureNode node) => Card(node.Site!.Name, node.Feature) is { Promoted.Count: > 0 } card
        ? new([.. card.Promoted.Select(t => t.Token)], [.. card.Suppressed.Select(t => t.Token)])
        : _tokens.GetValueOrDefault((node.Site.Name, node.Feature));

    /// <summary>A word for a node: the feature's label, else the token that it promotes most, else the one that it is most active at; null
    /// where nothing is known, and of errors and tokens.</summary>
    public string? WordOf(RunPicture picture, PictureNode node)
    {
        if (node.IsMetric || node.IsError || node.IsToken) return null;
        if (picture.LabelOf(node) is { } label) return label;
        if (Tokens(node) is { Promoted: [var first, ..] }) return first;
        return Card(node.Site!.Name, node.Feature) is { Contexts: [var context, ..] } ? context.Tokens[context.Peak] : null;
    }

    private static FeatureDetails Read(RunPicture picture, string? model, CancellationToken cancel)
    {
        if (!picture.Features.Any()) return new(DashboardCards.Of(picture, model, cancel), None._tokens, null);
        var bundle = RunBundle.Of(picture, model);
        var cards = Cards(picture, bundle, model is null, cancel);
        if (bundle.Directory is not { } directory)
        {
            return new(cards, None._tokens, DashboardCards.NoteOf(bundle, picture, NoTokens))
            {
                PageNote = DashboardCards.NoteOf(bundle, picture, NoWords)
            };
        }
        var unknown = picture.Features.Where(f => !cards.Cards.TryGetValue((f.Site.Name, f.Feature), out var card)
            || card.Promoted.Count == 0);
        var tokens = unknown.Any()
            ? PromotedTokens.Of(ModelBundle.Open(directory), unknown,
                picture.Header.IsReplaced ? MlpReplacement.Mlp : MlpReplacement.None, new RunContext(cancel: cancel))
            : None._tokens;
        return new(cards, tokens, null);
    }

    // damaged dashboards cost a graph its contexts and not the tokens, which the weights say
    private static DashboardCards Cards(RunPicture picture, RunBundle bundle, bool mayBeDamaged, CancellationToken cancel)
    {
        try
        {
            return DashboardCards.In(picture, bundle, cancel);
        }
        catch (RunDirectoryException e) when (mayBeDamaged)
        {
            return DashboardCards.None(e.Message);
        }
    }
}
