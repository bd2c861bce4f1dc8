using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;

namespace OnnxAttribution.Model;

/// <summary>Whether transcoders stand for MLPs in a graph.</summary>
public enum MlpReplacement
{
    /// <summary>The model is taken as it is.</summary>
    None,

    /// <summary>Every MLP that a transcoder of the bundle writes is replaced by it.</summary>
    Mlp,

    /// <summary>As <see cref="Mlp"/> where the bundle's dictionaries are transcoders only, else as <see cref="None"/>.</summary>
    WhereOnlyTranscoders,
}

/// <summary>Where a model is cut, and which of its parts are replaced.</summary>
/// <param name="Sites">Kinds (<c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c>, <c>z</c>) or hook names; null: every site with a
/// dictionary, or every site where none has one. With MLPs replaced: further sites beside the MLPs' outputs and the tokens.</param>
/// <param name="Replace">Whether transcoders stand for MLPs.</param>
public sealed record ModelSelection(IReadOnlyList<string>? Sites = null, MlpReplacement Replace = MlpReplacement.None)
{
    /// <summary>At so many positions from the first, transcoders have neither features nor errors; null: as they were trained.</summary>
    public int? ZeroPositions { get; init; }

    /// <summary>The sites are all that a run was cut at, tokens and replaced MLPs among them, and the zeroed positions its own.</summary>
    internal bool IsOfRun { get; init; }

    internal SelectedParts Of(ModelBundle bundle)
    {
        var replaces = Replace == MlpReplacement.Mlp || (Replace == MlpReplacement.WhereOnlyTranscoders && bundle.HasTranscodersOnly);
        if (!replaces)
        {
            return ZeroPositions is null ? new(Sites is null or [] ? Default(bundle) : bundle.SitesNamed(Sites), [], null)
                : throw new BundleException("positions are zeroed of transcoders, and no MLP is replaced by one")
                {
                    Settings = [Setting.ZeroPositions, Setting.Replace]
                };
        }
        if (!bundle.HasTranscoders)
        {
            throw new BundleException($"{bundle.Directory} has no transcoders to replace MLPs with; export the checkpoint with a folder of "
                + "them")
            {
                Settings = [Setting.Replace]
            };
        }
        var replaced = bundle.Sites.Where(s => bundle.TranscoderAt(s) is not null).ToList();
        var named = Sites is null or [] ? [] : bundle.SitesNamed(Sites);
        Site[] further = [.. named.Where(s => !IsOfRun || !(replaced.Contains(s) || s.Kind == SiteKind.Embed))];
        if (further.FirstOrDefault(s => replaced.Contains(s) && bundle.HasDictionary(s)) is { } twice)
        {
            throw new BundleException($"{twice} has a dictionary of its own, and a transcoder that stands for its MLP; name other sites, "
                + "or replace no MLP")
            {
                Settings = [Setting.Sites, Setting.Replace]
            };
        }
        var chosen = replaced.Concat(further).Append(Site.Parse(Site.Embedding)).ToHashSet();
        // a run says one number, which transcoders that were trained in several ways may differ from
        var trained = replaced.Max(s => bundle.TranscoderAt(s)!.ZeroPositions ?? 0);
        return new([.. bundle.Sites.Where(chosen.Contains)], replaced, IsOfRun && ZeroPositions == trained ? null : ZeroPositions);
    }

    private static IReadOnlyList<Site> Default(ModelBundle bundle)
    {
        var with = bundle.Sites.Where(bundle.HasDictionary).ToList();
        return with.Count > 0 ? with : [.. bundle.Sites.Where(s => !s.IsForTranscoders)];
    }
}

/// <summary>What <see cref="ModelSelection"/> comes to in a bundle.</summary>
/// <param name="Sites">The selected sites, in the order of computation.</param>
/// <param name="Replaced">Of them, the outputs of replaced MLPs.</param>
/// <param name="ZeroPositions">null: as the transcoders were trained.</param>
internal sealed record SelectedParts(IReadOnlyList<Site> Sites, IReadOnlyList<Site> Replaced, int? ZeroPositions);

/// <summary>Transcoders of a bundle, opened.</summary>
internal static class BundleTranscoders
{
    /// <summary>The MLP whose output a site is, replaced by its transcoder; whose dictionary is the caller's.</summary>
    public static ReplacedMlp Replace(this ModelBundle bundle, Site output)
    {
        var record = bundle.TranscoderAt(output)!;
        var outputs = Enumerable.Range(output.Layer, record.OutputLayers ?? 1).Select(l => Site.Parse($"blocks.{l}.hook_mlp_out"));
        return new ReplacedMlp(Site.Parse(record.Site), output, new SparseDictionary(bundle.Open(record)),
            $"{record.Path}/{Checkpoints.SaeLensDictionary.WeightsFileName}", [.. outputs]);
    }
}
