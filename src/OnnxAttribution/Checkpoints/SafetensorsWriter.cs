using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>Writes safetensors files, tensor by tensor.</summary>
internal static class SafetensorsWriter
{
    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes a file beside its place and renames it when it is whole: <paramref name="path"/> never holds half a file.
    /// Tensors lie in the given order, those of wider types first, so that each is aligned to its element size.</summary>
    /// <exception cref="CheckpointException">Two tensors of one name,
    /// an impossible shape, or data that is not as long as its shape says.</exception>
    public static void Write(string path, IEnumerable<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var ordered = tensors.OrderByDescending(t => t.Type.Size()).ToArray();
        var header = Header(path, ordered, metadata);
        OutputFile.Write(path, file =>
        {
            file.Write(header);
            foreach (var tensor in ordered) WriteData(path, file, tensor);
            file.Flush(flushToDisk: true);
        });
    }

    private static void WriteData(string path, FileStream file, SafetensorsTensor tensor)
    {
        var start = file.Position;
        tensor.WriteData(file);
        if (file.Position - start != Bytes(path, tensor))
        {
            throw new CheckpointException(path, $"tensor {DisplayText.QuotedName(tensor.Name)} of type {tensor.Type} and shape "
                + $"{CheckpointException.ShapeText(tensor.Shape.AsSpan())} was given {file.Position - start} bytes and "
                + $"needs {Bytes(path, tensor)}.");
        }
    }

    /// <summary>The length prefix and the JSON, padded with spaces so that the data begins at a multiple of 8.</summary>
    private static byte[] Header(string path, SafetensorsTensor[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_json))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 }) WriteMetadata(json, metadata);
            var names = new HashSet<string> { "__metadata__" };
            long offset = 0;
            foreach (var tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                {
                    throw new CheckpointException(path,
                        $"cannot hold two tensors named {DisplayText.QuotedName(tensor.Name)}; rename one.");
                }
                offset = WriteEntry(json, tensor, offset, offset + Bytes(path, tensor));
            }
            json.WriteEndObject();
        }
        var result = new byte[8 + (buffer.WrittenCount + 7) / 8 * 8];
        result.AsSpan(8).Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(result.AsSpan(8));
        BinaryPrimitives.WriteInt64LittleEndian(result, result.Length - 8);
        return result;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject("__metadata__");
        foreach (var (key, value) in metadata) json.WriteString(key, value);
        json.WriteEndObject();
    }

    private static long WriteEntry(Utf8JsonWriter json, SafetensorsTensor tensor, long begin, long end)
    {
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.Type.ToString());
        json.WriteStartArray("shape");
        foreach (var size in tensor.Shape) json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }

    private static long Bytes(string path, SafetensorsTensor tensor)
    {
        try
        {
            // a negative size overflows too
            return tensor.Shape.Aggregate((long)tensor.Type.Size(), (bytes, size) => checked(bytes * (long)(ulong)size));
        }
        catch (OverflowException e)
        {
            throw new CheckpointException(path, $"tensor {DisplayText.QuotedName(tensor.Name)} has the impossible shape "
                + $"{CheckpointException.ShapeText(tensor.Shape.AsSpan())}.", e);
        }
    }
}
