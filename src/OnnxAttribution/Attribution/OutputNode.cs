namespace OnnxAttribution.Attribution;

/// <summary>Which logits are outputs of a graph of transcoders: the likeliest tokens, until their probabilities add up.</summary>
/// <param name="Count">How many at most.</param>
/// <param name="Probability">The sum of probabilities at which no more are taken.</param>
public sealed record TargetRequest(int Count = 10, double Probability = 0.95);

/// <summary>An output of a graph of transcoders.</summary>
/// <param name="Token">Token id.</param>
/// <param name="Probability">Its probability in the clean run, at the metric's position.</param>
/// <param name="Logit">Its logit, after a soft cap where there is one, less the mean over the vocabulary.</param>
public sealed record OutputNode(int Token, float Probability, float Logit);

/// <summary>What a node's clean value gives an output along paths that pass no other node.</summary>
/// <param name="Up">Index of the node in <see cref="CausalGraph.Nodes"/>.</param>
/// <param name="Output">Index of the output in <see cref="CausalGraph.Outputs"/>.</param>
/// <param name="Weight">In logits, of the logit before a soft cap, as circuit-tracer has it, less the mean over the vocabulary; see
/// <see cref="CausalEdge.Weight"/>.</param>
public readonly record struct OutputEdge(int Up, int Output, float Weight);
