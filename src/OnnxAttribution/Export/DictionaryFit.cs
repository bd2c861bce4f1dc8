using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>Whether dictionaries fit a model.</summary>
/// <param name="Layers">Blocks of the model.</param>
/// <param name="Widths">Of every site that a dictionary may be for, in the order of computation.</param>
internal sealed record DictionaryFit(int Layers, IReadOnlyDictionary<string, int> Widths)
{
    /// <summary>A norm changes what an MLP yields before it is added to the residual stream.</summary>
    public bool HasNormBehindMlp { get; init; }

    /// <summary>That of an architecture's models.</summary>
    public static DictionaryFit Of(ModelArchitecture model) =>
        new(model.Shape.Layers, model.SiteNames.ToDictionary(name => name, name => model.WidthOf(Site.Parse(name))))
        {
            HasNormBehindMlp = model.Blocks.Any(b => b.Mlp.After is not null),
        };

    /// <summary>The site that a dictionary reads.</summary>
    public string SiteOf(DictionaryConfig config) => Site.Canonical(config.HookName, Layers);

    /// <summary>Dictionaries of one place exclude each other: one that rebuilds a site, one transcoder that replaces an MLP.</summary>
    public string PlaceOf(DictionaryConfig config) =>
        config.OutputHookName is { } output ? output + ".transcoder" : SiteOf(config);

    /// <exception cref="BundleException">A dictionary is for no site of the model, of another width, or the second of its place;
    /// a transcoder writes what the model does not have, or is one of a set that is not whole.</exception>
    public void Check(IReadOnlyList<FoundDictionary> all)
    {
        var taken = new Dictionary<string, string>();
        foreach (var found in all)
        {
            if (!Widths.TryGetValue(SiteOf(found.Config), out var width))
            {
                throw new BundleException($"{found.Place} is a dictionary for '{found.Config.HookName}', which this model ({Layers} "
                    + $"layers) does not have as a site; its sites are {string.Join(", ", Widths.Keys.Take(3))}, …");
            }
            if (found.Config.Width != width)
            {
                throw new BundleException($"{found.Place} is a dictionary of width {found.Config.Width}, the model has width {width}; "
                    + "it belongs to another model");
            }
            if (found.Config.OutputHookName is { } output) CheckOutput(found, output);
            var place = PlaceOf(found.Config);
            if (!taken.TryAdd(place, found.Place))
            {
                throw new BundleException($"{taken[place]} and {found.Place} are both dictionaries of {place}; keep one of them");
            }
        }
        CheckCrossLayers(all);
    }

    private void CheckOutput(FoundDictionary found, string output)
    {
        if (HasNormBehindMlp && found.Config.WritesBeforeNorm)
        {
            throw new BundleException($"{found.Place} writes mlp.hook_out, which a norm of this model changes before it is added to the "
                + "residual stream; take transcoders of it that write hook_mlp_out")
            {
                Settings = [Setting.Dictionaries]
            };
        }
        if (found.Config.OutputWidth != Widths[output])
        {
            throw new BundleException($"{found.Place} is a transcoder that writes {found.Config.OutputWidth} numbers, and {output} has "
                + $"{Widths[output]}; it belongs to another model");
        }
        var layer = Site.Parse(output).Layer;
        if (found.Config.OutputLayers > 1 && layer + found.Config.OutputLayers != Layers)
        {
            throw new BundleException($"{found.Place} writes the MLPs of layers {layer} to {layer + found.Config.OutputLayers - 1}, and "
                + $"the model has layers 0 to {Layers - 1}; a cross-layer transcoder is one of all layers, so one is missing, or it "
                + "belongs to another model");
        }
    }

    // a feature that writes later MLPs' outputs is one with their own transcoders: part of a set would explain too little, silently
    private void CheckCrossLayers(IReadOnlyList<FoundDictionary> all)
    {
        var first = all.FirstOrDefault(d => d.Config.OutputLayers > 1);
        if (first is null) return;
        var there = all.Where(d => d.Config.OutputHookName is not null)
            .Select(d => Site.Parse(d.Config.OutputHookName!).Layer).ToHashSet();
        for (var l = 0; l < Layers; l++)
        {
            if (!there.Contains(l))
            {
                throw new BundleException(
                    $"{first.Place} is of a cross-layer transcoder, and its layer {l} is missing; give all of its files");
            }
        }
    }
}
