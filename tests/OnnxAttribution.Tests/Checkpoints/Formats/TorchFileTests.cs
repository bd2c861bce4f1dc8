using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>A stranger's .pt file: what it holds is read, what it asks for is not done,
/// and what is wrong with it is said in one line.</summary>
public sealed class TorchFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string FilePath => _directory["ae.pt"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Tensors_numbers_texts_and_dictionaries_of_these_are_read()
    {
        TorchBytes.Write(FilePath, new Dictionary<string, object>
        {
            ["a"] = TorchBytes.Tensor(1.5f, 2, 3),
            ["scalar"] = TorchBytes.Tensor(4f),
            ["k"] = 32L,
            ["negative"] = -5L,
            ["name"] = "TopK",
            ["inner"] = new Dictionary<string, object> { ["k"] = 7L },
        });
        using var file = TorchFile.Open(FilePath);
        Assert.Equal("[2, 3]", Assert.IsType<StridedTensor>(file.Values["a"]).ShapeText);
        Assert.Equal(4, Assert.IsType<StridedTensor>(file.Values["scalar"]).ReadScalar());
        Assert.Equal((32L, -5L, "TopK"), ((long)file.Values["k"]!, (long)file.Values["negative"]!, (string)file.Values["name"]!));
        Assert.Equal(7L, Assert.IsType<Dictionary<object, object?>>(file.Values["inner"])["k"]);
    }

    public static TheoryData<string, byte[], string> Hostile => new()
    {
        { "a function", [.. Head, .. TorchBytes.Global("os", "system"), .. TorchBytes.Text("touch stolen"), 0x85, (byte)'R', (byte)'.'],
            "asks for 'os.system'" },
        { "another spelling", [.. Head, .. TorchBytes.Global("posix", "system"), (byte)'.'], "asks for 'posix.system'" },
        { "eval", [.. Head, .. TorchBytes.Global("__builtin__", "eval"), (byte)'.'], "asks for '__builtin__.eval'" },
        { "by two texts", [.. Head, .. TorchBytes.Text("builtins"), .. TorchBytes.Text("exec"), 0x93, (byte)'.'],
            "asks for 'builtins.exec'" },
        { "bytes as a storage", [.. Head, .. TorchBytes.Global("torch.storage", "_load_from_bytes"), (byte)'.'],
            "asks for 'torch.storage._load_from_bytes'" },
        { "a module", [.. Head, .. TorchBytes.Global("dictionary_learning.dictionary", "AutoEncoder"), (byte)')', 0x81, (byte)'.'],
            "asks for 'dictionary_learning.dictionary.AutoEncoder'" },
        { "a name with a line", [.. Head, .. TorchBytes.Text("os\nrm"), .. TorchBytes.Text("x\u001b[2J"), 0x93, (byte)'.'],
            "asks for 'os\\nrm.x\\u001B[2J'" },
        { "INST", [.. Head, (byte)'(', (byte)'i', .. "os\nsystem\n"u8, (byte)'.'], "asks for opcode 0x69" },
        { "OBJ", [.. Head, (byte)'(', (byte)'N', (byte)'o', (byte)'.'], "asks for opcode 0x6f" },
        { "NEWOBJ", [.. Head, .. TorchBytes.Global("collections", "OrderedDict"), (byte)')', 0x81, (byte)'.'], "asks for opcode 0x81" },
        { "EXT1", [.. Head, 0x82, 1, (byte)'.'], "asks for opcode 0x82" },
        { "a text persistent id", [.. Head, (byte)'P', .. "x\n"u8, (byte)'.'], "asks for opcode 0x50" },
        { "state", [.. Head, .. TorchBytes.Global("collections", "OrderedDict"), (byte)'}', (byte)'b', (byte)'.'],
            "asks for an object's state to be set" },
        { "another call", [.. Head, .. TorchBytes.Global("torch._utils", "_rebuild_tensor_v2"), (byte)')', (byte)'R', (byte)'.'],
            "pickle is damaged at byte" },
        { "protocol 0", [(byte)'c', .. "os\nsystem\n"u8, (byte)'.'], "asks for 'os.system'" },
        { "protocol 9", [0x80, 9, (byte)'.'], "asks for a protocol other than 2 to 5" },
        { "no end", [.. Head, (byte)'N'], "pickle is damaged at byte" },
        { "a memo that is not there", [.. Head, (byte)'h', 3, (byte)'.'], "pickle is damaged at byte" },
        { "a text without end", [.. Head, (byte)'X', 255, 255, 255, 255, (byte)'.'], "pickle is damaged at byte" },
        { "nothing", [.. Head, (byte)'.'], "pickle is damaged at byte" },
        { "a number", [.. Head, (byte)'K', 1, (byte)'.'], "holds no state_dict" },
        { "too long", [.. Head, .. new byte[PickleReader.MostBytes]], "more than the 1048576 that a state_dict needs" },
    };

    private static byte[] Head => [0x80, 2];

    [Theory, MemberData(nameof(Hostile))]
    public void What_a_state_dict_does_not_need_is_refused_by_name(string what, byte[] pickle, string problem)
    {
        TorchBytes.WriteArchive(FilePath, pickle);
        var message = FormatFiles.Refused(_directory.Path);
        Assert.True(message.Contains(problem), $"{what}: {message}");
    }

    [Fact]
    public void A_tensor_that_reaches_beyond_its_data_is_refused()
    {
        // 2 × 3 floats of a storage that says 6 and has 5
        TorchBytes.Write(_directory["whole/ae.pt"], new Dictionary<string, object> { ["a"] = TorchBytes.Tensor(1, 2, 3) });
        using (var zip = System.IO.Compression.ZipFile.Open(_directory["whole/ae.pt"], System.IO.Compression.ZipArchiveMode.Update))
        {
            using var data = zip.GetEntry("archive/data/0")!.Open();
            data.SetLength(20);
        }
        Assert.Contains("the data of tensor 'a' is missing or too short", FormatFiles.Refused(_directory["whole"]));
    }

    [Fact]
    public void A_file_from_before_PyTorch_1_6_is_refused_with_the_fix()
    {
        File.Copy(Path.Combine(FormatFiles.Root, "legacy.pt"), FilePath);
        Assert.Contains("from before 1.6, which is no zip archive; save it again with a current PyTorch: torch.save(torch.load(PATH",
            FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void A_compressed_archive_and_an_empty_file_are_refused()
    {
        TorchBytes.WriteArchive(FilePath, [.. Head, .. Enumerable.Repeat((byte)'N', 100), (byte)'.'], compress: true);
        Assert.Contains("is compressed; save it uncompressed", FormatFiles.Refused(_directory.Path));
        File.WriteAllBytes(FilePath, []);
        Assert.Contains("is no zip archive", FormatFiles.Refused(_directory.Path));
        File.WriteAllText(FilePath, "<html>not found</html>");
        Assert.Contains("is no zip archive", FormatFiles.Refused(_directory.Path));
    }

    [Theory, InlineData("resid_post_mlp_v5_32k/autoencoders/5.pt"),
        InlineData("gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz")]
    public void A_truncated_file_is_refused_wherever_it_ends(string source)
    {
        var path = FormatFiles.Copy(source, _directory.Path);
        var whole = File.ReadAllBytes(path);
        for (var length = 0; length < whole.Length; length += 7)
        {
            File.WriteAllBytes(path, whole[..length]);
            FormatFiles.Refused(_directory.Path);
        }
        File.WriteAllBytes(path, whole[..^30]);
        Assert.Contains("is a zip archive whose end is missing; download it again", FormatFiles.Refused(_directory.Path));
    }

    public static TheoryData<string, int> Mutated => new()
    {
        { "dictionaries/pythia-70m-deduped/resid_out_layer3/10_32768/ae.pt", 400 }, { "resid_post_mlp_v5_32k/autoencoders/5.pt", 400 },
        { "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz", 400 }, { "matryoshka/mlp_out_layer5/trainer_0/ae.pt", 400 },
    };

    /// <summary>A few bytes changed, anywhere or in the pickle alone:
    /// it is read, or refused with a <see cref="CheckpointException"/>, in little memory.</summary>
    [Theory, MemberData(nameof(Mutated))]
    public void Only_our_exception_leaves_a_mutated_file(string source, int tests)
    {
        var path = FormatFiles.Copy(source, _directory.Path);
        var whole = File.ReadAllBytes(path);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var files = Gen.Zip(Gen.Choose(0, whole.Length - 1), Gen.Choose(0, 255)).ListOf(3).Select(edits =>
        {
            var bytes = whole.ToArray();
            foreach (var (index, value) in edits) bytes[index % 2 == 0 ? index : index % Math.Min(900, whole.Length)] = (byte)value;
            return bytes;
        });
        Check.One(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(tests), Prop.ForAll(files.ToArbitrary(), bytes =>
        {
            File.WriteAllBytes(path, bytes);
            return Record.Exception(ConvertAll) is null or CheckpointException;
        }));
        // the widest file has 2 kB: no length that it claims is believed
        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / tests, whole.Length, 2 << 20);
    }

    private void ConvertAll()
    {
        foreach (var found in DictionaryFinder.FindAll(_directory.Path))
        {
            using (found) found.Conversion!.Write(_directory[Path.Combine("out", "converted")], "x", CancellationToken.None);
        }
        Directory.Delete(_directory["out"], recursive: true);
    }
}
