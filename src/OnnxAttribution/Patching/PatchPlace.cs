namespace OnnxAttribution.Patching;

/// <summary>What is patched: an activation of the stream by position, or of the heads.</summary>
public enum PatchKind
{
    /// <summary>The residual stream before a block, <c>hook_resid_pre</c>, at a position.</summary>
    Resid,

    /// <summary>What attention adds to it, <c>hook_attn_out</c>, at a position.</summary>
    Attn,

    /// <summary>What the MLP adds to it, <c>hook_mlp_out</c>, at a position.</summary>
    Mlp,

    /// <summary>What a head reads from the values, <c>attn.hook_z</c>.</summary>
    Z,

    /// <summary>A head's queries, <c>attn.hook_q</c>.</summary>
    Q,

    /// <summary>A head's keys, <c>attn.hook_k</c>; where queries share them, those of all that do.</summary>
    K,

    /// <summary>A head's values, <c>attn.hook_v</c>; likewise.</summary>
    V,

    /// <summary>A head's attention pattern, <c>attn.hook_pattern</c>; at a position, that query's row.</summary>
    Pattern,
}

/// <summary>Which of two runs is patched.</summary>
public enum PatchDirection
{
    /// <summary>The corrupted one, with the clean run's activations: what is enough to restore the answer.</summary>
    Denoising,

    /// <summary>The clean one, with the corrupted run's activations: what the answer needs.</summary>
    Noising,
}

/// <summary>One activation that is patched.</summary>
/// <param name="What">What it is.</param>
/// <param name="Hook">Its hook name.</param>
/// <param name="Layer">The block, from 0.</param>
/// <param name="Head">From 0; null: the activation has no heads.</param>
/// <param name="Position">Token position from 0, BOS counted; null: all positions at once.</param>
public readonly record struct PatchPlace(PatchKind What, string Hook, int Layer, int? Head, int? Position);
