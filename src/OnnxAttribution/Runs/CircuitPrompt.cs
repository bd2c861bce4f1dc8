using OnnxAttribution.Circuits;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>What ablating a circuit did to one prompt.</summary>
public sealed record CircuitPrompt(PromptTask Task, PromptTokens Tokens, CircuitAblation Result);
