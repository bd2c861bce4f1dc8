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
        const string post = ".hook_resid_post";
        return name.EndsWith(post, StringComparison.Ordinal) && name.StartsWith("blocks.", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(7, name.Length - 7 - post.Length), out var l) && l < layers - 1
            ? $"blocks.{l + 1}.hook_resid_pre" : name;
    }

    public string KindName => Kind switch { SiteKind.Attn => "attn", SiteKind.Mlp => "mlp", _ => "resid" };

    public override string ToString() => Name;
}
