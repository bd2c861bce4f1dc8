using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

// A safetensors file: 8 bytes little-endian header length N, N bytes of JSON, then the data section that the JSON's offsets count from.
// 1. The length is checked against the file before anything is allocated.
// 2. Each entry is checked alone: type, shape, offsets inside the file, bytes = elements x element size.
// 3. Sorted by offset, the entries must tile the data section: no overlap, no hole, no trailing bytes (as the official library demands).

/// <summary>The checked header of a safetensors file.</summary>
internal sealed record SafetensorsHeader(FrozenDictionary<string, TensorEntry> Tensors, FrozenDictionary<string, string> Metadata)
{
    /// <summary>The official library's limit on the header's bytes.</summary>
    public const long MaxBytes = 100_000_000;

    private const string AgainFix = "the header is damaged, save or download the file again";

    /// <summary>Reads and checks the header of an open file.</summary>
    /// <exception cref="CheckpointException">The header lies about the file, or is none.</exception>
    public static SafetensorsHeader Read(string path, FileStream file)
    {
        var fileLength = file.Length;
        if (fileLength < 8) throw Bad(path, $"has {fileLength} bytes, a safetensors file has at least 8; download it again");
        Span<byte> prefix = stackalloc byte[8];
        file.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaxBytes)
        {
            throw Bad(path, $"announces a header of {length} bytes, the limit is {MaxBytes}; it is no safetensors file, or a damaged one");
        }
        if ((long)length > fileLength - 8)
        {
            throw Bad(path, $"announces a header of {length} bytes but ends after {fileLength} bytes; download it again");
        }
        var json = new byte[length];
        file.ReadExactly(json);
        if (!Utf8.IsValid(json) || json is not [(byte)'{', ..])
        {
            throw Bad(path, "has a header that is not a JSON object in UTF-8; it is no safetensors file, or a damaged one");
        }
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(path, document.RootElement, dataStart: 8 + (long)length, dataLength: fileLength - 8 - (long)length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: an escaped lone surrogate in a name
        {
            throw new CheckpointException(path, $"has a header that is not valid JSON ({JsonFault.Words(e)}); download it again", e);
        }
    }

    private static SafetensorsHeader Parse(string path, JsonElement root, long dataStart, long dataLength)
    {
        var metadata = new Dictionary<string, string>();
        var entries = new List<TensorEntry>();
        foreach (var property in root.EnumerateObject())
        {
            if (property.Name != "__metadata__")
            {
                entries.Add(ParseEntry(path, property.Name, property.Value, dataStart, dataLength));
                continue;
            }
            if (property.Value.ValueKind != JsonValueKind.Object)
            {
                throw Bad(path, "has a __metadata__ that is no JSON object; write it as an object of strings");
            }
            foreach (var pair in property.Value.EnumerateObject())
            {
                metadata[pair.Name] = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString()!
                    : throw Bad(path,
                        $"has __metadata__ {DisplayText.QuotedName(pair.Name)} that is no string; write metadata values as strings");
            }
        }
        RequireTiling(path, entries, dataStart, dataLength);
        return new(entries.ToFrozenDictionary(e => e.Name), metadata.ToFrozenDictionary());
    }

    private static TensorEntry ParseEntry(string path, string name, JsonElement value, long dataStart, long dataLength)
    {
        CheckpointException Lies(string what) => Bad(path, $"tensor {DisplayText.QuotedName(name)} {what}; {AgainFix}");
        if (value.ValueKind != JsonValueKind.Object) throw Lies("is described by no JSON object");
        if (!value.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String) throw Lies("has no dtype");
        if (!TensorTypes.TryParse(dtype.GetString()!, out var type))
        {
            throw Bad(path, $"tensor {DisplayText.QuotedName(name)} has the unknown dtype {DisplayText.QuotedName(dtype.GetString()!)}; "
                + "save it as F32, F16, BF16 or F64");
        }
        if (Integers(value, "shape") is not { } shape) throw Lies("has no shape of non-negative integers");
        if (Integers(value, "data_offsets") is not [var begin, var end]) throw Lies("has no pair of non-negative data_offsets");
        if (begin > end || end > dataLength) throw Lies($"lies at bytes {begin} to {end} of {dataLength} bytes of data");
        long bytes = type.Size();
        try
        {
            foreach (var size in shape) bytes = checked(bytes * size);
        }
        catch (OverflowException)
        {
            throw Lies($"has shape {CheckpointException.ShapeText(shape)}, more elements than can be counted");
        }
        if (bytes != end - begin)
        {
            throw Lies($"of type {type} and shape {CheckpointException.ShapeText(shape)} needs {bytes} bytes but has {end - begin}");
        }
        return new(name, type, [.. shape], dataStart + begin, bytes);
    }

    private static void RequireTiling(string path, List<TensorEntry> entries, long dataStart, long dataLength)
    {
        var expected = dataStart;
        TensorEntry? previous = null;
        foreach (var entry in entries.OrderBy(e => e.Offset).ThenBy(e => e.Length))
        {
            if (entry.Offset < expected)
            {
                throw Bad(path,
                    $"tensors {DisplayText.QuotedName(previous!.Name)} and {DisplayText.QuotedName(entry.Name)} overlap; {AgainFix}");
            }
            if (entry.Offset > expected)
            {
                throw Bad(path, $"has {entry.Offset - expected} bytes before tensor {DisplayText.QuotedName(entry.Name)} that belong "
                    + $"to no tensor; {AgainFix}");
            }
            expected += entry.Length;
            previous = entry;
        }
        if (expected != dataStart + dataLength)
        {
            throw Bad(path, $"has {dataStart + dataLength - expected} bytes after the last tensor that belong to no tensor; {AgainFix}");
        }
    }

    private static long[]? Integers(JsonElement parent, string key)
    {
        if (!parent.TryGetProperty(key, out var array) || array.ValueKind != JsonValueKind.Array) return null;
        var values = new long[array.GetArrayLength()];
        var i = 0;
        foreach (var item in array.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt64(out values[i++]) || values[i - 1] < 0) return null;
        }

        return values;
    }

    private static CheckpointException Bad(string path, string problem) => new(path, problem + ".");


}
