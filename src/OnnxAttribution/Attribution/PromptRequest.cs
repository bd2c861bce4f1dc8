namespace OnnxAttribution.Attribution;

/// <summary>One prompt of several that are worked at side by side.</summary>
/// <param name="Tokens">Token ids, BOS included where one is wanted.</param>
/// <param name="Patch">As many, or null for zero ablation.</param>
/// <param name="Options">Those of all prompts but for the metric's tokens.</param>
internal sealed record PromptRequest(int[] Tokens, int[]? Patch, GraphOptions Options);
