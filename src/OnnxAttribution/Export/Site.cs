namespace OnnxAttribution.Export;

/// <summary>What a site's tensor is: the residual stream, or what a sublayer adds to it.</summary>
public enum SiteKind
{
    Resid,
    Attn,
    Mlp,
}

/// <summary>A named tensor [position, d] of a model at which the graph of causes is cut.</summary>
/// <param name="Name">TransformerLens hook name, such as <c>blocks.3.hook_resid_pre</c>.</param>
/// <param name="Layer">The number in the name.</param>
public sealed record Site(string Name, int Layer, SiteKind Kind)
{
    private const string Post = ".hook_resid_post";

    public static Site Parse(string name)
    {
        var parts = name.Split('.');
        if (parts.Length < 3 || parts[0] != "blocks" || !int.TryParse(parts[1], out var layer))
        {
            throw new FormatException($"'{name}' is no site: sites are named as TransformerLens names them, blocks.<layer>.hook_<what>");
        }
        var kind = parts[^1] switch
        {
            "hook_attn_out" or "hook_z" => SiteKind.Attn,
            "hook_mlp_out" => SiteKind.Mlp,
            _ => SiteKind.Resid,
        };
        return new Site(name, layer, kind);
    }

    /// <summary><c>blocks.l.hook_resid_post</c> below the last block is another name of <c>blocks.{l+1}.hook_resid_pre</c>, and the latter is written.</summary>
    public static string Canonical(string name, int layers)
    {
        return name.EndsWith(Post, StringComparison.Ordinal) && name.StartsWith("blocks.", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(7, name.Length - 7 - Post.Length), out var l) && l < layers - 1
            ? $"blocks.{l + 1}.hook_resid_pre" : name;
    }

    /// <summary>A site's name from its short form: a layer (the residual stream before it; the number of blocks: behind the last one), a layer and a kind such as <c>3.attn</c>, <c>3.mlp</c> or
    /// <c>3.resid_post</c>, or a hook name as it is; null where the text is none of these.</summary>
    public static string? FromShort(string text)
    {
        if (text.StartsWith("blocks.", StringComparison.Ordinal)) return text;
        var parts = text.Split('.');
        if (parts.Length > 2 || !int.TryParse(parts[0], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var layer)) return null;
        var hook = parts.Length == 1 ? "resid_pre" : parts[1] switch
        {
            "resid" or "resid_pre" => "resid_pre",
            "attn" or "attn_out" => "attn_out",
            "mlp" or "mlp_out" => "mlp_out",
            "resid_post" => "resid_post",
            _ => null,
        };
        return hook is null ? null : $"blocks.{layer}.hook_{hook}";
    }

    public string KindName => Kind switch { SiteKind.Attn => "attn", SiteKind.Mlp => "mlp", _ => "resid" };

    /// <summary>Behind the last block: the one residual site that is not before a block.</summary>
    internal bool IsLast => Name.EndsWith(Post, StringComparison.Ordinal);

    /// <summary>What <see cref="FromShort"/> reads: <c>3.resid</c>, <c>3.attn</c>, <c>3.mlp</c>, or <c>3.resid_post</c> behind the last block.</summary>
    internal string ShortName => $"{Layer}.{(IsLast ? "resid_post" : KindName)}";

    public override string ToString() => Name;
}
