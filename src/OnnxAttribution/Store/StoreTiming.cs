namespace OnnxAttribution.Store;

/// <summary>What writing and reading one run cost.</summary>
/// <param name="Write">Wall clock from edges in memory to the finished directory: sorting, encoding, compressing.</param>
/// <param name="Read">Wall clock from the directory back to edges in memory.</param>
/// <param name="MemoryBefore">Bytes resident before writing, the edges of the caller included.</param>
/// <param name="PeakMemory">Most bytes ever resident in this process up to the end of writing.</param>
/// <param name="FileBytes">Bytes on disk, all three files.</param>
internal sealed record StoreTiming(TimeSpan Write, TimeSpan Read, long MemoryBefore, long PeakMemory, long FileBytes);
