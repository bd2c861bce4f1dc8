using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace OnnxAttribution.Runtime;

/// <summary>A float32 tensor where graphs run: what a run yields stays on the device until the host asks for it.
/// Owns its memory; who makes or is given one disposes it.</summary>
internal sealed class DeviceTensor : IDisposable
{
    private readonly bool _onDevice;
    private float[]? _host;

    private DeviceTensor(OrtValue value, bool onDevice, float[]? host)
    {
        Value = value;
        _onDevice = onDevice;
        _host = host;
        Shape = value.GetTensorTypeAndShape().Shape;
    }

    public OrtValue Value { get; }
    public long[] Shape { get; }

    /// <summary>Over the caller's array, or an aligned copy of it (<see cref="HostTensor"/>):
    /// it must not be written while the tensor lives.</summary>
    public static DeviceTensor FromHost(float[] values, params long[] shape) =>
        new(HostTensor.Over(values.AsMemory(), shape), false, values);

    internal static DeviceTensor FromRun(OrtValue value, DeviceKind device) => new(value, device != DeviceKind.Cpu, null);

    /// <summary>The entries, row-major; a copy is made where the tensor lies on a device, and kept.</summary>
    public ReadOnlySpan<float> Floats()
    {
        if (_host is not null) return _host;
        if (!_onDevice) return Value.GetTensorDataAsSpan<float>();
        using var copy = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, TensorElementType.Float, Shape);
        RuntimeEnvironment.Instance().CopyTensors([Value], [copy], null);
        return _host = copy.GetTensorDataAsSpan<float>().ToArray();
    }

    public void Dispose() => Value.Dispose();
}
