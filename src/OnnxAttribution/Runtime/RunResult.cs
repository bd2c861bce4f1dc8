using System.Collections;
using Microsoft.ML.OnnxRuntime;

namespace OnnxAttribution.Runtime;

/// <summary>The outputs of one run. Owns them; spans of them end with it.</summary>
internal sealed class RunResult(IReadOnlyList<string> names, IDisposableReadOnlyCollection<OrtValue> values)
    : IDisposable, IEnumerable<KeyValuePair<string, OrtValue>>
{
    public OrtValue this[string name]
    {
        get
        {
            for (var i = 0; i < names.Count; i++)
            {
                if (names[i] == name) return values[i];
            }
            throw new KeyNotFoundException($"the run was not asked for '{name}'");
        }
    }

    public ReadOnlySpan<float> Floats(string name) => this[name].GetTensorDataAsSpan<float>();

    public ReadOnlySpan<bool> Booleans(string name) => this[name].GetTensorDataAsSpan<bool>();

    public ReadOnlySpan<int> Integers32(string name) => this[name].GetTensorDataAsSpan<int>();

    public ReadOnlySpan<long> Integers(string name) => this[name].GetTensorDataAsSpan<long>();

    public float[] Copy(string name) => Floats(name).ToArray();

    public long[] Shape(string name) => this[name].GetTensorTypeAndShape().Shape;

    public IEnumerator<KeyValuePair<string, OrtValue>> GetEnumerator()
    {
        for (var i = 0; i < names.Count; i++) yield return new(names[i], values[i]);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose() => values.Dispose();
}
