namespace OnnxAttribution.Checkpoints;

/// <summary>A storage that a pickle refers to: entry <c>data/KEY</c> of its archive.</summary>
internal sealed record PickleStorage(TensorType Type, string Key, long Count);

/// <summary>A tensor as a pickle describes it: a view into a storage, not checked yet.</summary>
internal sealed record PickleTensor(PickleStorage Storage, long Offset, long[] Shape, long[] Strides);
