using System.Text;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string FilePath => Path.Combine(_directory.Path, "a.safetensors");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_header_is_padded_and_every_tensor_is_aligned_to_its_elements()
    {
        for (var length = 1; length < 12; length++)
        {
            SafetensorsWriter.Write(FilePath, [
                SafetensorsTensor.F16(new string('h', length), [3], () => new Half[3]), SafetensorsTensor.F32("f", [3], () => new float[3]),
                SafetensorsTensor.F64("d", [1], () => new double[1])]);
            using var file = SafetensorsFile.Open(FilePath);
            Assert.All(file.Tensors.Values, entry => Assert.Equal(0, entry.Offset % entry.Type.Size()));
            Assert.Equal(0, file.Tensors["d"].Offset % 8);
        }
    }

    [Fact]
    public void Data_is_asked_for_one_tensor_at_a_time_and_in_file_order()
    {
        var asked = new List<string>();
        SafetensorsWriter.Write(FilePath, new[] { "a", "b", "c" }.Select(name => SafetensorsTensor.F32(name, [1], () =>
        {
            asked.Add(name);
            return new float[1];
        })));
        Assert.Equal(["a", "b", "c"], asked);
    }

    [Fact]
    public void A_failed_write_leaves_the_old_file_and_nothing_else()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1], () => (float[])[7])]);
        Assert.Throws<InvalidDataException>(() =>
            SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1], () => throw new InvalidDataException())]));
        Refused("tensor 'x' of type F32 and shape [2] was given 4 bytes and needs 8", SafetensorsTensor.F32("x", [2], () => new float[1]));
        Refused("cannot hold two tensors named 'x'", SafetensorsTensor.F32("x", [1], () => new float[1]),
            SafetensorsTensor.F64("x", [1], () => new double[1]));
        Refused("cannot hold two tensors named '__metadata__'", SafetensorsTensor.F32("__metadata__", [1], () => new float[1]));
        Refused("tensor 'x' has the impossible shape [*]", SafetensorsTensor.F32("x", [-1], () => new float[1]));
        Assert.Equal([FilePath], Directory.GetFiles(_directory.Path));
        using var file = SafetensorsFile.Open(FilePath);
        Assert.Equal([7f], file.ReadFloats("x"));
    }

    [Fact]
    public void An_open_file_keeps_its_data_when_it_is_replaced()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1], () => (float[])[1])]);
        using var old = SafetensorsFile.Open(FilePath);
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1], () => (float[])[2])]);
        using var replaced = SafetensorsFile.Open(FilePath);
        Assert.Equal((1f, 2f), (old.ReadFloats("x")[0], replaced.ReadFloats("x")[0]));
    }

    [Fact]
    public void The_header_is_what_the_official_library_writes()
    {
        SafetensorsWriter.Write(FilePath, [SafetensorsTensor.F32("x", [1, 2], () => new float[2])],
            new Dictionary<string, string> { ["format"] = "pt" });
        var bytes = File.ReadAllBytes(FilePath);
        Assert.Equal("""{"__metadata__":{"format":"pt"},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}""",
            Encoding.UTF8.GetString(bytes, 8, (int)BitConverter.ToInt64(bytes)).TrimEnd(' '));
    }

    private void Refused(string problem, params SafetensorsTensor[] tensors) =>
        Assert.Contains(problem, Assert.Throws<CheckpointException>(() => SafetensorsWriter.Write(FilePath, tensors)).Message);

    // Gemma 2's embedding in float32 is one; of zeros no memory is taken
    [Fact]
    public void A_tensor_may_have_more_bytes_than_a_span_can_hold()
    {
        var counted = new CountingStream();

        SafetensorsTensor.F64("W_E", [(1 << 28) + 3L], () => new double[(1 << 28) + 3]).WriteData(counted);
        SafetensorsTensor.BF16("W_U", [(1 << 20) + 3L], () => new float[(1 << 20) + 3]).WriteData(counted);

        Assert.Equal((8 * ((1L << 28) + 3)) + (2 * ((1L << 20) + 3)), counted.Count);
    }

    private sealed class CountingStream : Stream
    {
        public long Count { get; private set; }

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => Count;

        public override long Position { get => Count; set => throw new NotSupportedException(); }

        public override void Write(byte[] buffer, int offset, int count) => Count += count;

        public override void Write(ReadOnlySpan<byte> buffer) => Count += buffer.Length;

        public override void Flush() { }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
