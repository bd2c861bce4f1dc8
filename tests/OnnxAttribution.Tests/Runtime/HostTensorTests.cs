using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>What is computed depends on the entries of a tensor, never on where they lie.</summary>
public sealed class HostTensorTests
{
    [Fact]
    public unsafe void Floats_lie_aligned_wherever_the_array_does()
    {
        var array = GC.AllocateArray<float>(200, pinned: true);
        for (var first = 0; first < 16; first++)
        {
            for (var i = 0; i < 100; i++) array[first + i] = i;
            using var tensor = HostTensor.Over(array.AsMemory(first, 100), [4, 25]);
            Assert.Equal([4, 25], tensor.GetTensorTypeAndShape().Shape);
            var entries = tensor.GetTensorDataAsSpan<float>();
            Assert.Equal(Enumerable.Range(0, 100).Select(i => (float)i), entries.ToArray());
            fixed (float* at = entries) Assert.Equal(0, (int)((nint)at % 64));
        }
    }

    [Fact]
    public unsafe void What_lies_aligned_is_not_copied()
    {
        var array = GC.AllocateArray<float>(32, pinned: true);
        fixed (float* at = array)
        {
            var first = (int)((64 - ((nint)at % 64)) % 64 / sizeof(float));
            using var tensor = HostTensor.Over(array.AsMemory(first, 8), [8]);
            fixed (float* entry = tensor.GetTensorDataAsSpan<float>()) Assert.True(entry == at + first);
        }
    }
}
