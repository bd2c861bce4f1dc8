namespace OnnxAttribution.Dashboards;

/// <summary>What a feature does to a token's logit directly: decoder row, final LayerNorm with its scale held fixed, unembedding.</summary>
/// <param name="Token">The token's text.</param>
/// <param name="Logit">Logit per unit of activation, at the text's mean scale; the mean over the vocabulary taken away.</param>
internal sealed record TokenLogit(string Token, float Logit);
