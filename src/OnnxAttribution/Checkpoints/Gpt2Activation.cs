namespace OnnxAttribution.Checkpoints;

/// <summary>The nonlinearity of the MLP.</summary>
internal enum Gpt2Activation
{
    /// <summary>GELU by its tanh formula: <c>gelu_new</c>, <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,

    /// <summary>GELU by the error function: <c>gelu</c>.</summary>
    GeluErf,
}
