namespace OnnxAttribution.Bundles;

internal sealed partial record FeatureName
{
    // what the page calls the errors of all positions that have no node of their own
    private const string Errors = Error + "s";

    /// <summary>Whether it is what a dictionary missed.</summary>
    public bool IsError => Feature < 0;

    /// <summary>As <see cref="Of(Bundles.Site, int, int?)"/> spells it.</summary>
    public string Spelling => Of(Site, Feature, Position);

    /// <summary>Reads what <see cref="Parse"/> reads, and error nodes: <c>3.mlp:error@5</c>.</summary>
    /// <returns>Of an error node the feature −1.</returns>
    /// <exception cref="FormatException">The text is no such name; the message says how one is written.</exception>
    public static FeatureName ParseNode(string text)
    {
        var name = Today(text);
        var colon = name.LastIndexOf(':');
        var unit = name[(colon + 1)..].Split('@');
        return colon > 0 && unit[0] is Error or Errors
            ? Parse($"{name[..colon]}:0{name[(colon + 1 + unit[0].Length)..]}") with { Feature = -1 }
            : Parse(text);
    }

    /// <summary>The node at a site of a run, by whichever of its names the site is called: what would enter a block behind the last one is
    /// the final residual stream, and <c>resid_post</c> below the last block is the next one's <c>resid_pre</c>.</summary>
    /// <param name="sites">Hook names of the run.</param>
    /// <returns>null: the run has no such site.</returns>
    public FeatureName? Among(IReadOnlySet<string> sites)
    {
        if (sites.Contains(Site)) return this;
        if (!Bundles.Site.TryParse(Site, out var site) || site.Kind != SiteKind.Resid) return null;
        var other = site.IsLast ? $"blocks.{site.Layer + 1}.hook_resid_pre" : $"blocks.{site.Layer - 1}.hook_resid_post";
        return sites.Contains(other) ? this with { Site = other } : null;
    }
}
