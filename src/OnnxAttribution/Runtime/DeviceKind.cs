namespace OnnxAttribution.Runtime;

/// <summary>Where graphs run: ONNX Runtime's CPU or CUDA execution provider.</summary>
public enum DeviceKind
{
    /// <summary>The processor; always there.</summary>
    Cpu,

    /// <summary>An NVIDIA card by ONNX Runtime's CUDA provider, in programs built with it (<c>-p:Gpu=true</c>).</summary>
    Cuda,
}
