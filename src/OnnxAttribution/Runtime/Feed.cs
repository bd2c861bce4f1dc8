using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Bundles;

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

    public void Dispose()
    {
        foreach (var value in _owned) value.Dispose();
    }
}
