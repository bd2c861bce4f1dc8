using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>Writes what torch.save writes, for tests that need a state_dict of their own
/// or a pickle that PyTorch would never write.</summary>
internal static class TorchBytes
{
    /// <param name="state">float[] with a shape (a tensor), long, string or a dictionary of these.</param>
    public static void Write(string path, IReadOnlyDictionary<string, object> state)
    {
        var storages = new List<float[]>();
        byte[] pickle = [0x80, 0x02, .. Dictionary(state, storages), (byte)'.'];
        WriteArchive(path, pickle, storages);
    }

    public static object Tensor(float value, params long[] shape) =>
        (shape, Enumerable.Repeat(value, (int)shape.Aggregate(1L, (a, b) => a * b)).ToArray());

    public static void WriteArchive(string path, byte[] pickle, IReadOnlyList<float[]>? storages = null, bool compress = false)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var zip = ZipFile.Open(path, ZipArchiveMode.Create);
        void Add(string name, byte[] bytes)
        {
            using var stream = zip.CreateEntry($"archive/{name}", compress ? CompressionLevel.Optimal : CompressionLevel.NoCompression)
                .Open();
            stream.Write(bytes);
        }
        Add("data.pkl", pickle);
        for (var i = 0; i < (storages?.Count ?? 0); i++)
        {
            Add($"data/{i}", System.Runtime.InteropServices.MemoryMarshal.AsBytes(storages![i].AsSpan()).ToArray());
        }
        Add("version", "3\n"u8.ToArray());
    }

    private static IEnumerable<byte> Dictionary(IReadOnlyDictionary<string, object> values, List<float[]> storages) =>
        [(byte)'}', (byte)'(', .. values.SelectMany(v => Text(v.Key).Concat(Value(v.Value, storages))), (byte)'u'];

    private static IEnumerable<byte> Value(object value, List<float[]> storages) => value switch
    {
        long number => Integer(number),
        string text => Text(text),
        IReadOnlyDictionary<string, object> nested => Dictionary(nested, storages),
        (long[] shape, float[] data) => TensorBytes(shape, data, storages),
        _ => throw new ArgumentException($"{value.GetType()} is not written"),
    };

    // _rebuild_tensor_v2(('storage', torch.FloatStorage, KEY, 'cpu', COUNT), 0, shape, strides, False, OrderedDict())
    private static IEnumerable<byte> TensorBytes(long[] shape, float[] data, List<float[]> storages)
    {
        storages.Add(data);
        var strides = OnnxAttribution.Checkpoints.StridedTensor.RowMajor(shape);
        return
        [
            .. Global("torch._utils", "_rebuild_tensor_v2"), (byte)'(', (byte)'(', .. Text("storage"), .. Global("torch", "FloatStorage"),
            .. Text($"{storages.Count - 1}"), .. Text("cpu"), .. Integer(data.Length), (byte)'t', (byte)'Q', .. Integer(0), .. Tuple(shape),
            .. Tuple(strides), 0x89, .. Global("collections", "OrderedDict"), (byte)')', (byte)'R', (byte)'t', (byte)'R',
        ];
    }

    public static IEnumerable<byte> Global(string module, string name) => Encoding.UTF8.GetBytes($"c{module}\n{name}\n");

    public static IEnumerable<byte> Text(string text)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, Encoding.UTF8.GetByteCount(text));
        return [(byte)'X', .. length, .. Encoding.UTF8.GetBytes(text)];
    }

    private static IEnumerable<byte> Integer(long value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, (int)value);
        return [(byte)'J', .. bytes];
    }

    private static IEnumerable<byte> Tuple(long[] values) => [(byte)'(', .. values.SelectMany(Integer), (byte)'t'];
}
