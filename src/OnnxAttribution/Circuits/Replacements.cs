using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>The value that every feature and error of the selected sites has when it is ablated.</summary>
internal sealed class Replacements
{
    private readonly Dictionary<Site, ReplacementAt[]> _places = [];

    private Replacements()
    {
    }

    /// <param name="position">Token position.</param>
    public ReplacementAt At(Site site, int position) => _places[site][position];

    /// <summary>0 for everything.</summary>
    public static Replacements Zero(ActivationCache clean) => Of(clean, (_, width) =>
    {
        var zero = new ReplacementAt([], [], new float[width]);
        return _ => zero;
    });

    /// <summary>The features and errors of a patch run, position by position, errors in its own output scale.</summary>
    /// <exception cref="AttributionException">The patch run has another number of tokens.</exception>
    public static Replacements Patch(ActivationCache clean, ActivationCache patch)
    {
        LoadedModel.RequireEquallyLong(clean.Tokens.Count, patch.Tokens.Count);
        return Of(clean, (site, _) => Places(patch, site));
    }

    /// <summary>The same as graphs move their nodes: decoder rows count as in the clean run, and an error is what features do not carry
    /// then, so that all nodes of a site together make the patch run's activation. The two differ where dictionaries normalise their input.
    /// </summary>
    /// <inheritdoc cref="Patch" path="/exception"/>
    public static Replacements PatchOfNodes(ActivationCache clean, ActivationCache patch)
    {
        LoadedModel.RequireEquallyLong(clean.Tokens.Count, patch.Tokens.Count);
        return Of(clean, (site, width) =>
        {
            var (own, other) = (clean.Encode(site), patch.Encode(site));
            var errors = SiteEffects.ErrorChangeOf(clean.Model.DictionaryOf(site), clean[site.Name].ToArray(), own,
                patch[site.Name].ToArray(), other);
            TensorPrimitives.Add(errors, own.Errors, errors);
            return t => new ReplacementAt(other.Features[t], other.Activations[t], errors.AsMemory(t * width, width));
        });
    }

    /// <summary>Means over a text; where the prompt begins with the BOS, that position's own clean values.</summary>
    public static Replacements Mean(ActivationCache clean, MeanActivations means) => Of(clean, (site, _) =>
    {
        var mean = means.At(site);
        if (clean.Tokens[0] != means.Bos) return _ => mean;
        var own = Places(clean, site);
        return t => t == 0 ? own(0) : mean;
    });

    private static Func<int, ReplacementAt> Places(ActivationCache run, Site site)
    {
        var encoding = run.Encode(site);
        return t =>
            new ReplacementAt(encoding.Features[t], encoding.Activations[t], encoding.Errors.AsMemory(t * encoding.Width, encoding.Width));
    }

    private static Replacements Of(ActivationCache clean, Func<Site, int, Func<int, ReplacementAt>> at)
    {
        var values = new Replacements();
        foreach (var site in clean.Model.Selected)
        {
            var place = at(site, clean[site.Name].Length / clean.Tokens.Count);
            values._places[site] = [.. Enumerable.Range(0, clean.Tokens.Count).Select(place)];
        }
        return values;
    }
}
