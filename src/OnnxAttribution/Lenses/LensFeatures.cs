using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Lenses;

/// <summary>What dictionaries make of a position: each selected site is the sum of its features' decoder rows times their activations, of
/// its dictionary's bias, and of the error. A direction of the stream reads each.</summary>
internal sealed class LensFeatures(LoadedModel model, LensPass pass, int position)
{
    /// <summary>Refuses selected sites of which there is nothing to split.</summary>
    /// <exception cref="AttributionException">None of them has a dictionary, or one is not a part of the residual stream.</exception>
    public static void Check(LoadedModel model)
    {
        var sites = Sites(model).ToList();
        if (sites.Count == 0)
        {
            throw new AttributionException($"none of the selected sites of {model.Directory} has a dictionary that rebuilds it, so there "
                + "are no features; name other sites, or leave features out")
            {
                Settings = [Setting.Sites, Setting.Features]
            };
        }
        if (sites.FirstOrDefault(s => !IsOfStream(s.Site) && s.Site.Kind != SiteKind.Z) is { } read)
        {
            throw new AttributionException($"{read.Site} is read by an MLP and is no part of the residual stream; name other sites")
            {
                Settings = [Setting.Sites]
            };
        }
        if (sites.Exists(s => s.Site.Kind == SiteKind.Z)) _ = LensHeads.Of(model);
    }

    /// <summary>Selected sites that have a dictionary.</summary>
    public static IEnumerable<SelectedSite> Sites(LoadedModel model) => model.SelectedSites.Where(s => s.Dictionary is not null);

    /// <summary>Whether a site's vectors are directions of the residual stream.</summary>
    public static bool IsOfStream(Site site) => site.Kind is not (SiteKind.Z or SiteKind.Normalized or SiteKind.MlpIn);

    /// <summary>Each site's parts, features by falling size.</summary>
    /// <param name="direction">[d], of the stream.</param>
    /// <param name="z">Of each layer the direction at its <c>hook_z</c>; null: not known yet.</param>
    public IEnumerable<LensSummand> Split(float[] direction, Func<float[][]?> z)
    {
        foreach (var site in Sites(model))
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            var at = site.Site.Kind != SiteKind.Z ? direction
                : (z() ?? LensHeads.Of(model).PullBackTo(pass, direction, position))[site.Site.Layer];
            foreach (var part in Split(site, at)) yield return part;
        }
    }

    private List<LensSummand> Split(SelectedSite selected, float[] direction)
    {
        var (site, dictionary) = (selected.Site, selected.Dictionary!);
        var x = pass.At(site.Name, position).ToArray();
        var encoding = model.Encoder.Encode(dictionary, x, 1);
        var (features, activations) = (encoding.Features[0], encoding.Activations[0]);
        var (mean, scale) = dictionary.Normalization.Statistics(x);
        LensSummand Part(SummandKind kind, int? feature, double value) =>
            new(kind, feature is { } f ? FeatureName.Of(site, f) : $"{site.NodeName} b_dec", value)
            {
                Of = site.Name,
                Layer = site.Layer,
                Feature = feature,
            };
        var parts = features.Select((f, i) => Part(SummandKind.Feature, f,
            (double)activations[i] * scale * Projection.Of(encoding.Decoder[f], direction)) with
        { Activation = activations[i] });
        var error = encoding.Error(0);
        var bias = (scale * Projection.Of(dictionary.DecoderBias.Span, direction)) + (mean * Sum(direction));
        return [.. parts.OrderByDescending(p => Math.Abs(p.Value)),
            Part(SummandKind.Error, -1, Projection.Of(error, direction)) with { Activation = TensorPrimitives.Norm(error) },
            Part(SummandKind.DictionaryBias, null, bias)];
    }

    private static double Sum(float[] direction)
    {
        double sum = 0;
        foreach (var v in direction) sum += v;
        return sum;
    }
}
