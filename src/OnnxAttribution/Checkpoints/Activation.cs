namespace OnnxAttribution.Checkpoints;

/// <summary>The nonlinearity of an MLP.</summary>
internal enum Activation
{
    /// <summary>GELU by its tanh formula: <c>gelu_new</c>, <c>gelu_fast</c>, <c>gelu_pytorch_tanh</c>.</summary>
    GeluTanh,

    /// <summary>GELU by the error function: <c>gelu</c>.</summary>
    GeluErf,

    /// <summary>max(x, 0): <c>relu</c>.</summary>
    Relu,

    /// <summary>x σ(x): <c>silu</c>, <c>swish</c>.</summary>
    Silu,
}
