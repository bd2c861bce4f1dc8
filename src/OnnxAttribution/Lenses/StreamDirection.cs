using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Lenses;

/// <summary>A direction of the residual stream, of unit length: a feature's decoder row, or what a metric reads.</summary>
/// <param name="Name">What it is of.</param>
/// <param name="Vector">û, [d].</param>
/// <param name="IsCentred">Its mean was taken out, since that of the stream is not read.</param>
internal sealed record StreamDirection(string Name, float[] Vector, bool IsCentred)
{
    /// <summary>Words that name a direction beside features.</summary>
    public const string Target = "target", Foil = "foil", OfMetric = "metric";

    /// <param name="along">As <see cref="StreamTraceOptions.Along"/> has it.</param>
    /// <param name="metric">Of the prompt.</param>
    /// <param name="last">[d]: the final stream at the metric's position.</param>
    /// <exception cref="AttributionException">It is none of the model's, or its length is 0.</exception>
    public static StreamDirection Of(LoadedModel model, string along, Metric metric, float[] last)
    {
        var head = LensHead.Of(model);
        if (along is Target or Foil or OfMetric)
        {
            var read = along == OfMetric ? metric
                : metric with { Kind = MetricKind.Logit, Target = along == Foil ? metric.Foil : metric.Target };
            return Unit(along, head.Pull(last, read), !head.ReadsMean);
        }
        var feature = FeatureOf(along);
        var selected = SelectedAt(model, feature);
        var row = selected.Dictionary!.DecoderRows([feature.Feature], model.Context.Threads)[feature.Feature].ToArray();
        return Unit(feature.Spelling, row, !head.ReadsMean);
    }

    /// <summary>A vector as a direction.</summary>
    private static StreamDirection Unit(string name, float[] vector, bool centred)
    {
        if (centred) TensorPrimitives.Subtract(vector, (float)(vector.Sum(v => (double)v) / vector.Length), vector);
        var length = Math.Sqrt(Projection.Of(vector, vector));
        if (length == 0) throw new AttributionException($"{name} has no direction: its vector is 0");
        return new StreamDirection(name, [.. vector.Select(v => (float)(v / length))], centred);
    }

    /// <exception cref="AttributionException">The text names none.</exception>
    private static FeatureName FeatureOf(string along)
    {
        try
        {
            return FeatureName.Parse(along) with { Position = null };
        }
        catch (FormatException e)
        {
            throw new AttributionException($"{e.Message}; or {Target}, {Foil} or {OfMetric}") { Settings = [Setting.Along] };
        }
    }

    private static SelectedSite SelectedAt(LoadedModel model, FeatureName feature)
    {
        var site = model.Bundle.SiteNamed(feature.Site);
        AttributionException Refused(string why) => new(why) { Settings = [Setting.Along] };
        if (!LensFeatures.IsOfStream(site))
        {
            throw Refused($"{feature} is no direction of the residual stream: {site} is no part of it");
        }
        var selected = model.SelectedSite(site);
        if (selected?.Dictionary is not { } dictionary)
        {
            throw Refused($"{site} has no dictionary, or is none of the sites that were named, so that {feature} has no direction");
        }
        if (feature.Feature >= dictionary.FeatureCount)
        {
            throw Refused($"{feature} is no feature: the dictionary at {site} has features 0 to {dictionary.FeatureCount - 1}");
        }
        return selected;
    }
}
