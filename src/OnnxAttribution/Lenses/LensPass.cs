using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Lenses;

/// <summary>The tensors of one prompt. Owns them; spans of them end with it.</summary>
internal sealed class LensPass(RunResult result, int positions, string prefix) : IDisposable
{
    public int Positions => positions;

    /// <summary>float32 [T, d] of a hook, heads side by side.</summary>
    public ReadOnlySpan<float> All(string hook) => FiniteValues.Require(result.Floats(prefix + hook), $"the activations of {hook}");

    /// <summary>[d] of a hook at a position.</summary>
    public ReadOnlySpan<float> At(string hook, int position)
    {
        var all = result.Floats(prefix + hook);
        return all.Slice(all.Length / positions * position, all.Length / positions);
    }

    public void Dispose() => result.Dispose();
}
