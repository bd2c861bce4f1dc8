using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OnnxAttribution.Bundles;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Runtime;

/// <summary>Named inputs of a run. Owns the values made here; those that were lent stay their owner's.</summary>
internal sealed class Feed : IDisposable
{
    private readonly Dictionary<string, OrtValue> _values = [];
    private readonly List<OrtValue> _owned = [];

    public IReadOnlyDictionary<string, OrtValue> Values => _values;

    /// <summary>Gives a tensor over the caller's memory, which must not move,
    /// end or be written before the feed ends (<see cref="HostTensor"/>).</summary>
    public Feed Add<T>(string name, Memory<T> data, params long[] shape) where T : unmanaged
    {
        var value = HostTensor.Over(data, shape);
        _owned.Add(value);
        _values[name] = value;
        return this;
    }

    public Feed Add<T>(string name, T[] data, params long[] shape) where T : unmanaged => Add(name, data.AsMemory(), shape);

    /// <summary>Gives a tensor of no entries.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="shape">One of the axes is of size 0.</param>
    public Feed AddEmpty(string name, DataType type, params long[] shape)
    {
        // the format's numbers for types are the runtime's
        var value = OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, (TensorElementType)type, shape);
        _owned.Add(value);
        _values[name] = value;
        return this;
    }

    /// <summary>Gives numbers as 16 bits hold them.</summary>
    /// <param name="type">float16 or bfloat16.</param>
    public Feed AddHalf(string name, float[] numbers, DataType type, params long[] shape) => type == DataType.Float16
        ? Add(name, Array.ConvertAll(numbers, n => (Float16)n), shape)
        : Add(name, Array.ConvertAll(numbers, n => (BFloat16)n), shape);

    /// <summary>Gives one prompt's token ids.</summary>
    public Feed AddTokens(int[] tokens) => AddTokens(Array.ConvertAll(tokens, t => (long)t), 1);

    /// <summary>Gives the token ids of prompts side by side.</summary>
    /// <param name="ids">[prompts, T].</param>
    public Feed AddTokens(long[] ids, int prompts) => Add(ModelBundle.Tokens, ids, prompts, ids.Length / prompts);

    public Feed Lend(string name, OrtValue value)
    {
        _values[name] = value;
        return this;
    }

    /// <summary>Of what is given, the first entries along some axes take its place; nothing where the name is not given.</summary>
    /// <param name="length">How many entries of each of the axes.</param>
    public Feed Cut(string name, IReadOnlyList<int> axes, long length)
    {
        if (axes.Count == 0 || !_values.TryGetValue(name, out var whole)) return this;
        var part = TensorPrefix.Of(whole, axes, length);
        _owned.Add(part);
        _values[name] = part;
        return this;
    }

    public void Dispose()
    {
        // parts of a value before it
        for (var i = _owned.Count - 1; i >= 0; i--) _owned[i].Dispose();
    }
}
