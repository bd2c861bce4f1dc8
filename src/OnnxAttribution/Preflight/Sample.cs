using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Preflight;

/// <summary>Activations of all sites on the beginning of the text, with BOS and without, on which other readings of dictionaries are tried.
/// Made when they are first asked for.</summary>
internal sealed class Sample(LoadedModel model, CheckText text, int? bos, int tokens)
{
    private readonly Dictionary<bool, (RowLayout Layout, Dictionary<Site, float[]> Rows)> _made = [];

    /// <summary>Sites whose activations can be asked for.</summary>
    public IReadOnlyList<Site> Sites => model.Bundle.Sites;

    /// <summary>Whether the tokenizer has a BOS at all.</summary>
    public bool CanHaveBos => bos is not null;

    /// <returns>[rows, d].</returns>
    public (RowLayout Layout, float[] Rows) ActivationsAt(Site site, bool withBos)
    {
        if (!_made.TryGetValue(withBos, out var all))
        {
            var layout = RowLayout.Of(text.Sequences, withBos ? bos : null).Beginning(tokens);
            _made[withBos] = all = (layout, SiteActivations.Compute(model, Sites, layout));
        }
        return (all.Layout, all.Rows[site]);
    }
}
