namespace OnnxAttribution.Export;

/// <summary>The way of a block's values: out of one linear layer, by attention patterns that sum to 1, into another.</summary>
/// <param name="From">Yields the values, perhaps beside queries and keys.</param>
/// <param name="OutputOf">The output of <paramref name="From"/> that entry i of the heads side by side
/// (<c>attn.hook_z</c>) is made of; heads may share values.</param>
/// <param name="To">W_O and b_O: reads the heads side by side.</param>
internal sealed record ValuePath(Linear From, Func<int, int> OutputOf, Linear To);
