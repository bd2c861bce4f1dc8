using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.View.Formats;

/// <summary>What viewers show of a picture's features beside the graph: their dashboards, and the tokens that they raise and lower.
/// </summary>
internal sealed class FeatureDetails
{
    private const string NoTokens = "no tokens are named that features raise or lower";

    private readonly IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> _cards;
    private readonly IReadOnlyDictionary<(string Site, int Feature), TokenLists> _tokens;

    private FeatureDetails(DashboardCards cards, IReadOnlyDictionary<(string Site, int Feature), TokenLists> tokens, string? note) =>
        (_cards, _tokens, ContextNote, TokenNote) = (cards.Cards, tokens, cards.Note, note);

    /// <summary>Nothing is known of any feature.</summary>
    public static FeatureDetails None { get; } =
        new(DashboardCards.None(null), new Dictionary<(string, int), TokenLists>(), null);

    /// <summary>What the reader should know of missing contexts; null: nothing.</summary>
    public string? ContextNote { get; }

    /// <summary>What the reader should know of missing tokens; null: nothing.</summary>
    public string? TokenNote { get; }

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
    public FeatureDashboard? Card(PictureNode node) => _cards.GetValueOrDefault((node.Site!.Name, node.Feature));

    /// <summary>null: they are not known.</summary>
    public TokenLists? Tokens(PictureNode node) => Card(node) is { Promoted.Count: > 0 } card
        ? new([.. card.Promoted.Select(t => t.Token)], [.. card.Suppressed.Select(t => t.Token)])
        : _tokens.GetValueOrDefault((node.Site!.Name, node.Feature));

    private static FeatureDetails Read(RunPicture picture, string? model, CancellationToken cancel)
    {
        if (!picture.Features.Any()) return new(DashboardCards.Of(picture, model, cancel), None._tokens, null);
        var bundle = RunBundle.Of(picture, model);
        var cards = DashboardCards.In(picture, bundle, cancel);
        if (bundle.Directory is not { } directory) return new(cards, None._tokens, DashboardCards.NoteOf(bundle, picture, NoTokens));
        var unknown = picture.Features.Where(f => !cards.Cards.TryGetValue((f.Site.Name, f.Feature), out var card)
            || card.Promoted.Count == 0);
        var tokens = unknown.Any()
            ? PromotedTokens.Of(ModelBundle.Open(directory), unknown,
                picture.Header.IsReplaced ? MlpReplacement.Mlp : MlpReplacement.None, new RunContext(cancel: cancel))
            : None._tokens;
        return new(cards, tokens, null);
    }
}
