using System.Buffers.Binary;
using OnnxAttribution.Checkpoints;
using static OnnxAttribution.Tests.Checkpoints.SafetensorsBytes;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class SafetensorsFileTests : IDisposable
{
    private static readonly float[] s_values =
        [0, -0f, 1, -2.5f, 0.333f, 65504, 1e-7f, 3e38f, float.NaN, float.PositiveInfinity, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    private readonly TemporaryDirectory _directory = new();

    private string FilePath => Path.Combine(_directory.Path, "a.safetensors");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void F32_comes_back_bit_for_bit()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [19], () => s_values)]);
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal(s_values, file.ReadFloats("x"));
        Assert.Equal(s_values.Select(v => (double)v), file.ReadDoubles("x"));
        Assert.Equal(new SafetensorsFileEntry("x", TensorType.F32, "[19]", 76), SafetensorsFileEntry.Of(file.Tensors["x"]));
    }

    [Fact]
    public void F16_converts_exactly()
    {
        var halves = s_values.Select(v => (Half)v).ToArray();
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F16("x", [19, 1], () => halves)]);
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal(halves.Select(h => (float)h), file.ReadFloats("x"));
        Assert.Equal(halves.Select(h => (double)h), file.ReadDoubles("x"));
    }

    [Fact]
    public void BF16_converts_exactly()
    {
        var bits = s_values.Select(v => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16)).ToArray();
        var data = new byte[38];
        for (var i = 0; i < bits.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * i), bits[i]);
        using var file = Open(File($"{{{Entry("x", "BF16", "[19]", 0, 38)}}}", data));
        Assert.Equal(bits.Select(b => BitConverter.UInt32BitsToSingle((uint)b << 16)), file.ReadFloats("x"));
        Assert.Equal(bits.Select(b => (double)BitConverter.UInt32BitsToSingle((uint)b << 16)), file.ReadDoubles("x"));
    }

    [Fact]
    public void F64_comes_back_bit_for_bit_and_rounds_to_float()
    {
        double[] values = [Math.PI, -1e-300, 1e300, double.NaN, double.NegativeInfinity];
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F64("x", [5], () => values)]);
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal(values, file.ReadDoubles("x"));
        Assert.Equal(values.Select(v => (float)v), file.ReadFloats("x"));
    }

    [Fact]
    public void I64_comes_back_and_is_no_float()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.I64("ids", [3], () => (long[])[long.MinValue, 0, long.MaxValue])]);
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal([long.MinValue, 0, long.MaxValue], file.ReadInt64("ids"));
        Refused(() => file.ReadFloats("ids"), "tensor 'ids' has type I64 and cannot be read as F32");
        Refused(() => file.RequireFinite(["ids"]), "tensor 'ids' has type I64");
    }

    [Theory, InlineData("I32", 4), InlineData("U8", 1), InlineData("BOOL", 1), InlineData("I16", 2), InlineData("F8_E4M3", 1),
        InlineData("C64", 8)]
    public void Other_types_are_listed_and_are_no_floats(string dtype, int size)
    {
        using var file = Open(File($"{{{Entry("x", dtype, "[2]", 0, 2 * size)}}}", new byte[2 * size]));
        Assert.Equal(dtype, file.Tensors["x"].Type.ToString());
        Refused(() => file.ReadDoubles("x"), $"tensor 'x' has type {dtype}");
        Refused(() => file.ReadInt64("x"), $"tensor 'x' has type {dtype} and cannot be read as I64");
        Refused(() => file.MapFloat32("x"), $"tensor 'x' has type {dtype}");
    }

    [Fact]
    public unsafe void A_mapped_tensor_lies_at_its_pointer_and_pins_in_place()
    {
        SafetensorsWriter.Write(FilePath,
            [SafetensorsTensor.F32("a", [2], () => (float[])[5, 6]), SafetensorsTensor.F32("b", [2, 2], () => (float[])[1, 2, 3, 4])]);
        using var file = SafetensorsFile.Open(FilePath);
        var mapped = file.MapFloat32("b");
        Assert.Equal([1, 2, 3, 4], mapped.ToArray());
        using var pin = mapped.Pin();
        Assert.Equal(file.Pointer("b"), (IntPtr)pin.Pointer);
        Assert.Equal(3, ((float*)pin.Pointer)[2]);
    }

    [Fact]
    public void A_tensor_that_is_not_aligned_maps_as_a_copy()
    {
        byte[] data = [1, .. BitConverter.GetBytes(42f)];
        using var file = Open(File($"{{{Entry("a", "U8", "[1]", 0, 1)},{Entry("b", "F32", "[1]", 1, 5)}}}", data));
        Assert.Equal([42f], file.MapFloat32("b").ToArray());
        Assert.Equal([42f], file.ReadFloats("b"));
        file.RequireFinite(["b"]);
    }

    [Fact]
    public void Offsets_count_from_the_start_of_the_file()
    {
        SafetensorsWriter.Write(FilePath,
            [SafetensorsTensor.F32("a", [1], () => (float[])[5]), SafetensorsTensor.F32("b", [1], () => (float[])[6])]);
        using var file = SafetensorsFile.Open(FilePath);
        var bytes = System.IO.File.ReadAllBytes(FilePath);
        Assert.Equal(6, BitConverter.ToSingle(bytes, (int)file.Tensors["b"].Offset));
    }

    [Fact]
    public void Scalars_and_empty_tensors_and_metadata_are_read()
    {
        SafetensorsWriter.Write(FilePath,
            [SafetensorsTensor.F32("scalar", [], () => (float[])[3]),
                SafetensorsTensor.F32("none", [0, 7], () => ReadOnlyMemory<float>.Empty)],
            new Dictionary<string, string> { ["format"] = "pt", ["é\"\n"] = "ü" });
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal([3f], file.ReadFloats("scalar"));
        Assert.Empty(file.ReadFloats("none"));
        Assert.Empty(file.MapFloat32("none").ToArray());
        Assert.Equal("ü", file.Metadata["é\"\n"]);
        Assert.Equal(1, file.Require("scalar").Count);
    }

    [Fact]
    public void A_file_without_tensors_is_whole()
    {
        using var file = Open(File("{}", []));
        Assert.Empty(file.Tensors);
    }

    [Fact]
    public void A_missing_tensor_or_another_shape_is_named()
    {
        using var file = Open(File($"{{{Entry("x", "F32", "[2,3]", 0, 24)}}}", new byte[24]));
        Assert.Equal(6, file.Require("x", 2, -1).Count);
        Refused(() => file.Require("y", 2), "has no tensor 'y'");
        Refused(() => file.Require("x", 3, -1), "tensor 'x' has shape [2, 3] where [3, *] is expected");
        Refused(() => file.Require("x", 2), "tensor 'x' has shape [2, 3] where [2] is expected");
    }

    [Theory, InlineData(float.NaN, 0), InlineData(float.PositiveInfinity, 17), InlineData(float.NegativeInfinity, 99)]
    public void A_value_that_is_not_finite_is_named_with_its_index(float value, int index)
    {
        var values = Enumerable.Range(0, 100).Select(i => i % 2 == 0 ? float.MaxValue : -1e-40f).ToArray();
        values[index] = value;
        SafetensorsWriter.Write(FilePath, [
            SafetensorsTensor.F32("f32", [100], () => values),
            SafetensorsTensor.F64("f64", [100], () => values.Select(v => (double)v).ToArray()),
            SafetensorsTensor.F16("f16", [100], () => values.Select(v => float.IsFinite(v) ? (Half)1 : (Half)v).ToArray()),
            new SafetensorsTensor("bf16", TensorType.BF16, [100], stream =>
            {
                foreach (var v in values) stream.Write(BitConverter.GetBytes(v).AsSpan(2));
            })]);
        using var file = SafetensorsFile.Open(FilePath);
        foreach (var name in file.Tensors.Keys)
        {
            Refused(() => file.RequireFinite([name]), $"tensor '{name}' of shape [100] has a NaN or infinity at flat index {index}");
        }
    }

    [Theory, InlineData((1 << 18) - 1), InlineData(1 << 18), InlineData((1 << 18) + 1)]
    public void A_value_that_is_not_finite_is_found_wherever_pieces_of_a_mebibyte_meet(int index)
    {
        var values = new float[(1 << 18) + 2];
        values[index] = float.NaN;
        // an odd length in front: no element is aligned
        using var file =
            Open(File($"{{{Entry("a", "U8", "[3]", 0, 3)},{Entry("x", "F32", $"[{values.Length}]", 3, 3 + (4 * values.Length))}}}",
                [1, 2, 3, .. values.SelectMany(BitConverter.GetBytes)]));
        Refused(() => file.RequireFinite(["x"]), $"tensor 'x' of shape [{values.Length}] has a NaN or infinity at flat index {index}");
    }

    [Fact]
    public void The_check_of_weights_gives_the_hash_of_the_whole_file_and_leaves_other_tensors_alone()
    {
        SafetensorsWriter.Write(FilePath, [
            SafetensorsTensor.F32("b", [300_000], () => new float[300_000]),
            SafetensorsTensor.F32("unused", [2], () => (float[])[float.NaN, 1]), SafetensorsTensor.I64("ids", [1], () => (long[])[7])]);
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.IO.File.ReadAllBytes(FilePath))),
            file.RequireFinite(["b"]));
        Assert.Equal(new FileInfo(FilePath).Length, file.Length);
    }

    [Fact]
    public void A_tensor_that_was_let_go_is_read_as_before()
    {
        var values = Enumerable.Range(0, 100_000).Select(i => (float)i).ToArray();
        SafetensorsWriter.Write(FilePath,
            [SafetensorsTensor.F32("small", [1], () => (float[])[7]), SafetensorsTensor.F32("large", [100_000], () => values)]);
        using var file = SafetensorsFile.Open(FilePath);
        var mapped = file.MapFloat32("large");
        Assert.Equal(values, mapped.ToArray());
        foreach (var entry in file.Tensors.Values) file.LetGo(entry);
        Assert.Equal(values, mapped.ToArray());
        Assert.Equal([7], file.ReadFloats("small"));
    }

    [Fact]
    public void Nothing_is_read_after_disposal()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1], () => (float[])[1])]);
        var file = SafetensorsFile.Open(FilePath);
        var mapped = file.MapFloat32("x");
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadFloats("x"));
        Assert.Throws<ObjectDisposedException>(() => mapped.Span[0]);
        Assert.Throws<ObjectDisposedException>(() => mapped.Pin());
    }

    [Fact]
    public void A_tensor_beyond_2_GiB_is_read_where_it_lies()
    {
        // A sparse file: 3 GiB of zeros take no room on the disk.
        const long Filler = 3L << 30;
        var header = $"{{{Entry("filler", "U8", $"[{Filler}]", 0, Filler)},{Entry("x", "F32", "[2]", Filler, Filler + 8)}}}";
        using (var stream = System.IO.File.Create(FilePath))
        {
            stream.Write(File(header, []));
            stream.Position += Filler;
            stream.Write([.. BitConverter.GetBytes(4f), .. BitConverter.GetBytes(5f)]);
        }
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal([4f, 5f], file.ReadFloats("x"));
        Assert.Equal(Filler, file.Tensors["filler"].Length);
    }

    private SafetensorsFile Open(byte[] bytes)
    {
        System.IO.File.WriteAllBytes(FilePath, bytes);
        return SafetensorsFile.Open(FilePath);
    }

    private void Refused(Action act, string problem)
    {
        var message = Assert.Throws<CheckpointException>(act).Message;
        Assert.StartsWith($"{FilePath}: ", message);
        Assert.Contains(problem, message);
    }

    private sealed record SafetensorsFileEntry(string Name, TensorType Type, string Shape, long Length)
    {
        public static SafetensorsFileEntry Of(TensorEntry entry) => new(entry.Name, entry.Type, entry.ShapeText, entry.Length);
    }
}
