using System.Text;
using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Checkpoints;
using static OnnxAttribution.Tests.Checkpoints.SafetensorsBytes;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class SafetensorsHeaderTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string FilePath => Path.Combine(_directory.Path, "a.safetensors");

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string, string> LyingEntries => new()
    {
        { Entry("x", "F31", "[2]", 0, 8), "tensor 'x' has the unknown dtype 'F31'" },
        { Entry("x", "f32", "[2]", 0, 8), "tensor 'x' has the unknown dtype 'f32'" },
        { Entry("x", "1", "[2]", 0, 8), "tensor 'x' has the unknown dtype '1'" },
        { Entry("x", "F32", "[-2]", 0, 8), "tensor 'x' has no shape of non-negative integers" },
        { Entry("x", "F32", "[2.5]", 0, 8), "tensor 'x' has no shape of non-negative integers" },
        { Entry("x", "F32", "2", 0, 8), "tensor 'x' has no shape of non-negative integers" },
        { Entry("x", "F32", "[99999999999999999999]", 0, 8), "tensor 'x' has no shape of non-negative integers" },
        { Entry("x", "F32", "[4611686018427387904, 4]", 0, 8),
            "tensor 'x' has shape [4611686018427387904, 4], more elements than can be counted" },
        { Entry("x", "F32", "[4611686018427387904, 4, 0]", 0, 0), "more elements than can be counted" },
        { Entry("x", "F32", "[2]", -8, 0), "tensor 'x' has no pair of non-negative data_offsets" },
        { Entry("x", "F32", "[2]", 8, 0), "tensor 'x' lies at bytes 8 to 0 of 8 bytes of data" },
        { Entry("x", "F32", "[2]", 0, 16), "tensor 'x' lies at bytes 0 to 16 of 8 bytes of data" },
        { Entry("x", "F32", "[2]", long.MaxValue - 8, long.MaxValue), "of 8 bytes of data" },
        { Entry("x", "F32", "[1]", 0, 8), "tensor 'x' of type F32 and shape [1] needs 4 bytes but has 8" },
        { Entry("x", "F32", "[1]", 0, 4), "has 4 bytes after the last tensor" },
        { Entry("x", "F32", "[1]", 4, 8), "has 4 bytes before tensor 'x'" },
        { Entry("x", "F32", "[1]", 0, 4) + "," + Entry("y", "F32", "[2]", 0, 8), "tensors 'x' and 'y' overlap" },
        { Entry("x", "U8", "[5]", 0, 5) + "," + Entry("y", "F32", "[1]", 4, 8), "tensors 'x' and 'y' overlap" },
        { Entry("x", "F32", "[1]", 0, 4) + "," + Entry("x", "F32", "[1]", 4, 8), "not valid JSON" },
        { "\"x\":7", "tensor 'x' is described by no JSON object" },
        { "\"x\":{}", "tensor 'x' has no dtype" },
        { "\"x\":{\"dtype\":5}", "tensor 'x' has no dtype" },
        { "\"x\":{\"dtype\":\"F32\"}", "tensor 'x' has no shape" },
        { "\"x\":{\"dtype\":\"F32\",\"shape\":[2]}", "tensor 'x' has no pair of non-negative data_offsets" },
        { "\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]}", "tensor 'x' has no pair of non-negative data_offsets" },
        { "\"a\\nb\":7", @"tensor 'a\nb' is described by no JSON object" },
        { "\"\\ud800\":7", "not valid JSON" },
        { "\"__metadata__\":7", "__metadata__ that is no JSON object" },
        { "\"__metadata__\":{\"a\":1}", "__metadata__ 'a' that is no string" },
        { "\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}", "not valid JSON" },
        { "", "has 8 bytes after the last tensor" },
        { "\"x\"", "not valid JSON" },
        { string.Concat(Enumerable.Repeat("\"x\":{", 100)), "not valid JSON" },
    };

    [Theory, MemberData(nameof(LyingEntries))]
    public void A_header_that_lies_is_refused(string entries, string problem) => Refused(File($"{{{entries}}}", new byte[8]), problem);

    [Theory]
    [InlineData(100_000_001, "the limit is 100000000")]
    [InlineData(long.MaxValue, "the limit is 100000000")]
    [InlineData(-1, "the limit is 100000000")]
    [InlineData(11, "announces a header of 11 bytes but ends after 18 bytes")]
    [InlineData(0, "not a JSON object in UTF-8")]
    public void A_length_that_lies_is_refused(long announced, string problem) => Refused(File("{}", new byte[8], announced), problem);

    [Fact]
    public void What_is_no_safetensors_file_is_refused()
    {
        Refused([], "has 0 bytes");
        Refused([1, 0, 0, 0, 0, 0, 0], "has 7 bytes");
        Refused(File("[]", []), "not a JSON object in UTF-8");
        Refused(File("{\"\u00e9\"", []).Select(b => b == 0xc3 ? (byte)0xff : b).ToArray(), "not a JSON object in UTF-8");
        Refused(Encoding.ASCII.GetBytes("<!doctype html>\n<title>404</title>"), "it is no safetensors file");
    }

    [Fact]
    public void A_missing_file_or_a_directory_is_named()
    {
        Assert.Contains("there is no such file", Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(FilePath)).Message);
        Assert.StartsWith(_directory.Path, Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(_directory.Path)).Message);
    }

    [Fact]
    public void Only_our_exception_leaves_random_bytes() =>
        Check.One(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(500),
            Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(),
                bytes => OpensOrRefuses(bytes) && OpensOrRefuses([(byte)bytes.Length, 0, 0, 0, 0, 0, 0, 0, .. bytes])));

    [Fact]
    public void Only_our_exception_leaves_a_mutated_or_truncated_file()
    {
        var whole = Whole();
        Assert.Null(Outcome(whole));
        var edits = Gen.Zip(Gen.Choose(0, whole.Length - 9), Gen.Choose(0, 255)).ListOf(3);
        var files = Gen.Zip(edits, Gen.Choose(0, whole.Length)).Select(pair => Mutate(whole, pair.Item1, pair.Item2));
        Check.One(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(3000), Prop.ForAll(files.ToArbitrary(), OpensOrRefuses));
    }

    [Fact]
    public void A_truncated_file_is_always_refused()
    {
        var whole = Whole();
        for (var length = 0; length < whole.Length; length++) Assert.IsType<CheckpointException>(Outcome(whole[..length]));
    }

    [Fact]
    public void Changed_digits_in_a_header_are_always_refused_or_read_in_bounds()
    {
        // The header's digits are what points into memory: each is replaced by each other digit.
        var whole = Whole();
        for (var i = 8; i < 8 + BitConverter.ToInt64(whole); i++)
        {
            for (var digit = '0'; char.IsAsciiDigit((char)whole[i]) && digit <= '9'; digit++)
            {
                Assert.True(OpensOrRefuses([.. whole[..i], (byte)digit, .. whole[(i + 1)..]]));
            }
        }
    }

    private byte[] Whole()
    {
        SafetensorsWriter.Write(FilePath,
            [SafetensorsTensor.F32("W_enc", [2, 3], () => new float[6]), SafetensorsTensor.F16("b", [5], () => new Half[5]),
                SafetensorsTensor.I64("ids", [2], () => new long[2])], new Dictionary<string, string> { ["format"] = "pt" });
        return System.IO.File.ReadAllBytes(FilePath);
    }

    private static byte[] Mutate(byte[] whole, IEnumerable<(int Index, int Value)> edits, int length)
    {
        var bytes = whole.ToArray();
        foreach (var (index, value) in edits) bytes[8 + index] = (byte)value;
        return length % 4 == 0 ? bytes[..length] : bytes;
    }

    private bool OpensOrRefuses(byte[] bytes) => Outcome(bytes) is null or CheckpointException;

    private Exception? Outcome(byte[] bytes)
    {
        System.IO.File.WriteAllBytes(FilePath, bytes);
        return Record.Exception(() =>
        {
            using var file = SafetensorsFile.Open(FilePath);
            foreach (var entry in file.Tensors.Values.Where(e => e.Type.IsFloat())) file.ReadFloats(entry.Name);
        });
    }

    private void Refused(byte[] bytes, string problem)
    {
        System.IO.File.WriteAllBytes(FilePath, bytes);
        var message = Assert.Throws<CheckpointException>(() => SafetensorsFile.Open(FilePath)).Message;
        Assert.StartsWith($"{FilePath}: ", message);
        Assert.Contains(problem, message);
        Assert.DoesNotContain('\n', message);
    }
}
