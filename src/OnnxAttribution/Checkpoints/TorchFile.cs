using System.Collections.Frozen;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>A state_dict as <c>torch.save</c> writes it since PyTorch 1.6: a zip archive with a pickle and the storages beside it,
/// which are read where they lie. Owns the mapping; who opens one disposes it.</summary>
/// <remarks>Source: torch/serialization.py. Nothing of the pickle is executed (<see cref="PickleReader"/>).</remarks>
internal sealed class TorchFile : IDisposable
{
    // the number that begins files from before 1.6
    private static ReadOnlySpan<byte> LegacyMagic => [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9];

    private readonly MappedFile _file;

    private TorchFile(MappedFile file)
    {
        _file = file;
        if (file.Length >= LegacyMagic.Length && file[0, LegacyMagic.Length].SequenceEqual(LegacyMagic))
        {
            throw new CheckpointException(file.Path, "is in PyTorch's format from before 1.6, which is no zip archive; "
                + "save it again with a current PyTorch: torch.save(torch.load(PATH, map_location='cpu'), PATH).");
        }
        var entries = StoredZip.Read(file);
        if (entries.Keys.Where(n => n == "data.pkl" || n.EndsWith("/data.pkl", StringComparison.Ordinal)).ToList() is not [var pickle])
        {
            throw new CheckpointException(file.Path,
                "has no data.pkl, so it is no file of torch.save; check that it is the file it should be.");
        }
        var root = pickle[..^"data.pkl".Length];
        if (entries.TryGetValue(root + "byteorder", out var order)
            && !file[order.Offset, (int)Math.Min(order.Length, 16)].SequenceEqual("little"u8))
        {
            throw new CheckpointException(file.Path, "was written on a big-endian machine; save it again on a little-endian one.");
        }
        var at = entries[pickle];
        if (PickleReader.Read(file.Path,
            file[at.Offset, (int)Math.Min(at.Length, PickleReader.MostBytes + 1)]) is not Dictionary<object, object?> top)
        {
            throw new CheckpointException(file.Path, "holds no state_dict; save the dictionary's state_dict() alone.");
        }
        Values = top.Where(e => e.Key is string).ToFrozenDictionary(e => (string)e.Key,
            e => e.Value is PickleTensor tensor ? View(tensor, (string)e.Key, entries, root) : e.Value);
    }

    public string Path => _file.Path;

    /// <summary>What it holds: <see cref="StridedTensor"/>s, and plain values as <see cref="PickleReader"/> makes them.</summary>
    public FrozenDictionary<string, object?> Values { get; }

    /// <exception cref="CheckpointException">It is missing, damaged, legacy,
    /// or asks for anything that a state_dict does not need.</exception>
    public static TorchFile Open(string path)
    {
        var file = MappedFile.Open(path);
        try
        {
            return new TorchFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _file.Dispose();

    private StridedTensor View(PickleTensor tensor, string name, FrozenDictionary<string, StoredZip.Entry> entries, string root)
    {
        var (storage, size) = (tensor.Storage, tensor.Storage.Type.Size());
        if (!entries.TryGetValue($"{root}data/{storage.Key}", out var entry) || storage.Count > entry.Length / size)
        {
            throw new CheckpointException(Path,
                $"the data of tensor {DisplayText.QuotedName(name)} is missing or too short; download the file again.");
        }
        if (!Fits(tensor))
        {
            throw new CheckpointException(Path, $"tensor {DisplayText.QuotedName(name)} reaches beyond its data; download the file again.");
        }
        return new StridedTensor(_file, name, storage.Type, entry.Offset + (tensor.Offset * size), tensor.Shape, tensor.Strides);
    }

    // an expanded view could describe terabytes of the same few bytes
    private static bool Fits(PickleTensor t)
    {
        if (t.Shape.Length != t.Strides.Length || t.Shape.Length > 8 || t.Offset < 0 || t.Offset > t.Storage.Count) return false;
        Int128 count = 1, last = t.Offset;
        for (var i = 0; i < t.Shape.Length; i++)
        {
            if (t.Shape[i] < 0 || t.Strides[i] < 0 || t.Shape[i] > t.Storage.Count) return false;
            count *= t.Shape[i];
            if (count > t.Storage.Count) return false;
            last += (Int128)Math.Max(t.Shape[i] - 1, 0) * t.Strides[i];
        }
        return count == 0 || last < t.Storage.Count;
    }
}
