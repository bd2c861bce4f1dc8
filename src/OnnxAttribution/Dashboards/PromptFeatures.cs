using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Dashboards;

/// <summary>The features that are active on a prompt, whatever comes of it; beside another prompt those that differ.</summary>
public sealed class PromptFeatures
{
    private readonly LoadedModel _model;
    private readonly PromptFeatureRequest _request;

    private PromptFeatures(LoadedModel model, PromptFeatureRequest request, (string[] Of, string[]? Against) tokens,
        IReadOnlyList<ActiveFeature> rows) =>
        (_model, _request, Tokens, AgainstTokens, Rows) = (model, request, tokens.Of, tokens.Against, rows);

    /// <summary>Texts of the prompt's tokens, [T], BOS included.</summary>
    public IReadOnlyList<string> Tokens { get; }

    /// <summary>Texts of the other prompt's, [T]; null without one.</summary>
    public IReadOnlyList<string>? AgainstTokens { get; }

    /// <summary>By site in the order of computation, then by position, then by what a feature writes, the longest first; beside another
    /// prompt by how much longer or shorter that is than there, so that what both share stands last.</summary>
    public IReadOnlyList<ActiveFeature> Rows { get; }

    /// <summary>Runs the prompt once, and the other, and encodes every selected site that has a dictionary.</summary>
    /// <param name="model">Opened at the sites that are asked for.</param>
    /// <param name="request">The prompts, and what is left out.</param>
    /// <exception cref="ArgumentNullException">There is no model or no request.</exception>
    /// <exception cref="PromptException">A prompt is empty, or they have different lengths.</exception>
    /// <exception cref="OnnxAttributionException">No selected site has a dictionary, or dense features are to be hidden and the bundle has
    /// no features.parquet that says which these are.</exception>
    /// <exception cref="RunDirectoryException">That file is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PromptFeatures Find(LoadedModel model, PromptFeatureRequest request)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);
        SelectedSite[] sites = [.. model.SelectedSites.Where(s => s.Dictionary is not null)];
        if (sites.Length == 0)
        {
            throw new DashboardException("no selected site has a dictionary, so there are no features; choose among "
                + string.Join(", ", model.Bundle.Sites.Where(model.Bundle.HasDictionary)))
            {
                Settings = [Setting.Sites]
            };
        }
        var bos = request.PrependBos ?? model.PrependsBos;
        int[] Encoded(string text) => PromptTokens.Of(new PromptTask(text), model.Tokenizer, bos).Clean;
        var (tokens, against) = (Encoded(request.Prompt), request.Against is { } text ? Encoded(text) : null);
        if (against is not null && against.Length != tokens.Length)
        {
            throw PromptException.Unequal(PromptTokens.Texts(model.Tokenizer, tokens), PromptTokens.Texts(model.Tokenizer, against),
                "other prompt");
        }
        using var clean = ActivationCache.Of(model, tokens);
        using var other = against is null ? null : ActivationCache.Of(model, against);
        string[] Texts(int[] of) => [.. of.Select(model.Tokenizer.TokenText)];
        var texts = (Of: Texts(tokens), Against: against is null ? null : Texts(against));
        List<ActiveFeature> rows = [.. sites.SelectMany(s => At(s, clean.Encode(s.Site), other?.Encode(s.Site), texts))];
        return new PromptFeatures(model, request, texts, Known(model, request, rows));
    }

    /// <summary>Those at a position, of each site the first ones.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <param name="top">So many of each site.</param>
    public IReadOnlyList<ActiveFeature> At(int position, int top) =>
        [.. Rows.Where(r => r.Position == position).GroupBy(r => r.Site).SelectMany(site => site.Take(top))];

    /// <summary>One feature's, at all positions; of one site.</summary>
    internal IReadOnlyList<ActiveFeature> Of(int feature) => [.. Rows.Where(r => r.Feature == feature).OrderBy(r => r.Position)];

    /// <summary>The tokens whose logits features raise most, by the weights (<see cref="PromotedTokens"/>).</summary>
    internal IReadOnlyDictionary<(string Site, int Feature), IReadOnlyList<string>> PromotedBy(IEnumerable<ActiveFeature> rows) =>
        PromotedTokens.Of(_model.Bundle, rows.Select(r => (_model.Bundle.SiteNamed(r.Site), r.Feature)), MlpReplacement.None,
            _model.Context).ToDictionary(p => p.Key, p => p.Value.Promoted);

    /// <summary>Writes <see cref="Rows"/> as one Parquet file, whole or not at all.</summary>
    /// <exception cref="RunDirectoryException">The file exists and <paramref name="force"/> is off, or it cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    internal void Write(string file, bool force) => RunDirectory.WriteRows(file, Rows, force,
    [
        ("prompt", _request.Prompt), .. _request.Against is { } against ? [("against", against)] : Array.Empty<(string, string)>(),
        ("model", _model.Name), ("bundle_sha256", _model.BundleHash), ("program", ThisProgram.Name), ("version", ThisProgram.Version),
    ], _model.Context.Cancel);

    private static IEnumerable<ActiveFeature> At(SelectedSite site, SparseEncoding clean, SparseEncoding? other,
        (string[] Of, string[]? Against) texts)
    {
        for (var t = 0; t < texts.Of.Length; t++)
        {
            var (position, sum) = (t, TensorPrimitives.Sum(clean.Activations[t]));
            float Length(int feature) => TensorPrimitives.Norm(
                (clean.ActivationOf(position, feature) > 0 ? clean : other ?? clean).Decoder[feature]);
            var features = other is null ? clean.Features[t] : [.. clean.Features[t].Union(other.Features[t])];
            var rows = features.Select(f =>
            {
                var (here, there, length) = (clean.ActivationOf(position, f), other?.ActivationOf(position, f), Length(f));
                var norm = here * clean.Scales[position] * length;
                return new ActiveFeature(site.Site.Name, position, texts.Of[position], f, here, norm, sum > 0 ? here / sum : 0)
                {
                    AgainstToken = texts.Against?[position],
                    AgainstActivation = there ?? float.NaN,
                    ChangeNorm = there is { } a ? norm - (a * other!.Scales[position] * length) : float.NaN,
                };
            });
            foreach (var row in rows.OrderByDescending(r => Math.Abs(other is null ? r.Norm : r.ChangeNorm)).ThenBy(r => r.Feature))
            {
                yield return row;
            }
        }
    }

    // with what a text and others say of them
    private static List<ActiveFeature> Known(LoadedModel model, PromptFeatureRequest request, List<ActiveFeature> rows)
    {
        var labels = RunLabels.OfBundle(model.Bundle.Directory, model.BundleHash);
        var rates = FiringRates.OfFeatures(model.Bundle.Directory, model.BundleHash,
            [.. rows.Select(r => (r.Site, r.Feature)).Distinct()], model.Context.Cancel);
        if (rates is null && request.HideDense is not null)
        {
            throw new DashboardException($"{model.Bundle.Directory} has no {FeatureTable.FileName} of this bundle that says how often a "
                + "feature fires; collect it from a text")
            {
                Next = new NextStep(StepKind.CollectFeatures, model.Bundle.Directory)
            };
        }
        float Rate(ActiveFeature row) => rates is not null && rates.TryGetValue((row.Site, row.Feature), out var rate) ? rate : float.NaN;
        return [.. rows.Select(r => r with { FiringRate = Rate(r), Label = labels[r.Site, r.Feature]?.Label })
            .Where(r => !(r.FiringRate > request.HideDense))];
    }
}

/// <summary>Whose features are asked for.</summary>
/// <param name="Prompt">A text.</param>
/// <param name="Against">Another with as many tokens; null: none.</param>
/// <param name="HideDense">Leave out features that fire at more than this share of a text's tokens, from 0 to 1; null: none.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
public sealed record PromptFeatureRequest(string Prompt, string? Against = null, float? HideDense = null, bool? PrependBos = null);
