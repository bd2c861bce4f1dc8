namespace OnnxAttribution.Runtime;

/// <summary>Where graphs run: ONNX Runtime's CPU or CUDA execution provider.</summary>
public enum DeviceKind
{
    Cpu,
    Cuda,
}
