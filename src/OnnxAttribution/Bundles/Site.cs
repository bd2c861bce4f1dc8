using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace OnnxAttribution.Bundles;

/// <summary>What a site's tensor is.</summary>
public enum SiteKind
{
    /// <summary>The residual stream between blocks: <c>hook_resid_pre</c>, and <c>hook_resid_post</c> of the last block.</summary>
    Resid,

    /// <summary>What attention adds to the residual stream: <c>hook_attn_out</c>.</summary>
    Attn,

    /// <summary>What the MLP adds to it: <c>hook_mlp_out</c>.</summary>
    Mlp,

    /// <summary>The residual stream between attention and MLP: <c>hook_resid_mid</c>.</summary>
    ResidMid,

    /// <summary>What the attention heads read from the values, side by side, [T, heads · d_head]: <c>attn.hook_z</c>.</summary>
    Z,

    /// <summary>What the tokens add to the residual stream, a row of W_E each: <c>hook_embed</c>.</summary>
    Embed,

    /// <summary>What the norm before the MLP yields, before its gain and bias: <c>ln2.hook_normalized</c>.</summary>
    Normalized,

    /// <summary>What the MLP reads, behind gain and bias: <c>mlp.hook_in</c>.</summary>
    MlpIn,
}

/// <summary>A named tensor float32 [T, d] of a model, one row per token position, at which the graph of causes is cut.</summary>
/// <param name="Name">TransformerLens hook name, such as <c>blocks.3.hook_resid_pre</c>.</param>
/// <param name="Layer">The number in the name: the block, from 0.</param>
/// <param name="Kind">What the tensor is.</param>
public sealed record Site(string Name, int Layer, SiteKind Kind)
{
    private const string Post = ".hook_resid_post", Pre = ".hook_resid_pre";

    /// <summary>The one site that is of no block: what the tokens add to the residual stream.</summary>
    internal const string Embedding = "hook_embed";

    /// <summary>A site by its hook name, such as <c>blocks.3.hook_mlp_out</c>.</summary>
    /// <exception cref="FormatException">It is no site's name.</exception>
    internal static Site Parse(string name)
    {
        return TryParse(name, out var site)
            ? site
            : throw new FormatException($"'{name}' is no site: sites are named as TransformerLens names them, blocks.<layer>.hook_<what>");
    }

    /// <summary>False where a name is no site's.</summary>
    internal static bool TryParse(string name, [NotNullWhen(true)] out Site? site)
    {
        site = null;
        if (name == Embedding)
        {
            site = new Site(name, 0, SiteKind.Embed);
            return true;
        }
        var parts = name.Split('.');
        if (parts.Length < 3 || parts[0] != "blocks" || !int.TryParse(parts[1], CultureInfo.InvariantCulture, out var layer)) return false;
        var kind = parts[^1] switch
        {
            "hook_attn_out" => SiteKind.Attn,
            "hook_mlp_out" => SiteKind.Mlp,
            "hook_resid_mid" => SiteKind.ResidMid,
            "hook_z" => SiteKind.Z,
            "hook_normalized" => SiteKind.Normalized,
            "hook_in" => SiteKind.MlpIn,
            _ => SiteKind.Resid,
        };
        site = new Site(name, layer, kind);
        return true;
    }

    /// <summary><c>blocks.l.hook_resid_post</c> below the last block is another name of
    /// <c>blocks.{l+1}.hook_resid_pre</c>, and the latter is written.</summary>
    internal static string Canonical(string name, int layers)
    {
        return name.EndsWith(Post, StringComparison.Ordinal) && name.StartsWith("blocks.", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(7, name.Length - 7 - Post.Length), out var l) && l < layers - 1
            ? $"blocks.{l + 1}.hook_resid_pre" : name;
    }

    /// <summary>A site's name from its short form: a layer (the residual stream before it; the number of blocks: behind the last one), a
    /// layer and a kind such as <c>3.attn</c>, <c>3.mlp</c>, <c>3.z</c>, <c>3.resid_mid</c> or <c>3.resid_post</c>, or a hook name as it
    /// is; null where the text is none of these.</summary>
    internal static string? FromShort(string text)
    {
        if (text.StartsWith("blocks.", StringComparison.Ordinal)) return text;
        var parts = text.Split('.');
        if (parts.Length > 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var layer)) return null;
        var hook = parts.Length == 1 ? "resid_pre" : parts[1] switch
        {
            "resid" or "resid_pre" => "resid_pre",
            "attn" or "attn_out" => "attn_out",
            "mlp" or "mlp_out" => "mlp_out",
            "resid_mid" => "resid_mid",
            "resid_post" => "resid_post",
            "z" or "hook_z" => "attn.hook_z",
            "normalized" => "ln2.hook_normalized",
            "mlp_in" => "mlp.hook_in",
            "embed" when layer == 0 => "",
            _ => null,
        };
        return hook switch
        {
            null => null,
            "" => Embedding,
            _ => $"blocks.{layer}.{(hook.Contains('.', StringComparison.Ordinal) ? "" : "hook_")}{hook}"
        };
    }

    /// <summary>As options and tables write it: <c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c>, <c>z</c>.</summary>
    internal string KindName => NameOf(Kind);

    /// <summary>Whether a word for many sites means this one: a <see cref="KindName"/>, or what hooks call them:
    /// <c>resid_pre</c> (the residual stream before a block), <c>resid_post</c> (behind one), <c>attn_out</c>,
    /// <c>mlp_out</c>, <c>hook_z</c>.</summary>
    internal bool IsAmong(string kind) => kind.ToLowerInvariant() switch
    {
        "resid_pre" => Kind == SiteKind.Resid && !IsLast,
        "resid_post" => Kind == SiteKind.Resid && (IsLast || Layer > 0),
        "attn_out" => Kind == SiteKind.Attn,
        "mlp_out" => Kind == SiteKind.Mlp,
        "hook_z" => Kind == SiteKind.Z,
        "hook_normalized" => Kind == SiteKind.Normalized,
        var name => KindName == name,
    };

    internal static string NameOf(SiteKind kind) => kind switch
    {
        SiteKind.Attn => "attn",
        SiteKind.Mlp => "mlp",
        SiteKind.ResidMid => "resid_mid",
        SiteKind.Z => "z",
        SiteKind.Embed => "embed",
        SiteKind.Normalized => "normalized",
        SiteKind.MlpIn => "mlp_in",
        _ => "resid",
    };

    /// <summary>The site's turn in its block, in the order of computation.</summary>
    internal int OrderInBlock => IsLast ? 7 : Kind switch
    {
        SiteKind.Embed => -1,
        SiteKind.Z => 1,
        SiteKind.Attn => 2,
        SiteKind.ResidMid => 3,
        SiteKind.Normalized => 4,
        SiteKind.MlpIn => 5,
        SiteKind.Mlp => 6,
        _ => 0
    };

    /// <summary>Every site that a dictionary may be for in a model of sequential blocks, in the order of computation.</summary>
    /// <param name="always">Only those that every bundle has: the residual stream between blocks and what the sublayers add to it.</param>
    internal static IEnumerable<string> Names(int layers, bool always)
    {
        if (!always) yield return Embedding;
        for (var l = 0; l < layers; l++)
        {
            yield return $"blocks.{l}.hook_resid_pre";
            if (!always) yield return $"blocks.{l}.attn.hook_z";
            yield return $"blocks.{l}.hook_attn_out";
            if (!always)
            {
                yield return $"blocks.{l}.hook_resid_mid";
                yield return $"blocks.{l}.ln2.hook_normalized";
                yield return $"blocks.{l}.mlp.hook_in";
            }
            yield return $"blocks.{l}.hook_mlp_out";
        }
        yield return $"blocks.{layers - 1}.hook_resid_post";
    }

    /// <summary>It is there for transcoders: what they read, or the tokens that graphs of them begin with. No other graph is cut at it
    /// unless it is named.</summary>
    internal bool IsForTranscoders => Kind is SiteKind.Embed or SiteKind.Normalized or SiteKind.MlpIn;

    /// <summary>Behind the last block: the one residual site that is not before a block.</summary>
    internal bool IsLast => Name.EndsWith(Post, StringComparison.Ordinal);

    /// <summary>What <see cref="FromShort"/> reads: <c>3.resid</c>, <c>3.attn</c>, <c>3.mlp</c>,
    /// <c>3.z</c>, <c>3.resid_mid</c>, or <c>3.resid_post</c> behind the last block.</summary>
    internal string ShortName => $"{Layer}.{(IsLast ? "resid_post" : KindName)}";

    /// <summary>The short form in a node's name (<see cref="FeatureName"/>): the layer alone for the residual stream before a block,
    /// else the <see cref="ShortName"/>.</summary>
    internal string NodeName => Kind == SiteKind.Resid && !IsLast && Name.EndsWith(Pre, StringComparison.Ordinal) ? $"{Layer}" : ShortName;

    /// <summary>The hook name.</summary>
    public override string ToString() => Name;
}
