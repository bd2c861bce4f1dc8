using System.Buffers.Binary;
using System.Runtime.InteropServices;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Tests.Export;

/// <summary>Where the weights of a bundle lie, and that every way to store them gives the same numbers.</summary>
public sealed class WeightStorageTests : IDisposable
{
    private static readonly int[] s_tokens = [256, 67, 83, 87, 45];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("none"), InlineData("fold_ln"), InlineData("center_writing_weights"), InlineData("center_unembed"),
        InlineData("all")]
    public void No_weight_over_a_kilobyte_lies_in_the_graph_and_all_others_point_to_their_bytes(string plan)
    {
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => WeightProcessingTests.Options(o, plan));
        using var checkpoint = SafetensorsFile.Open(Path.Combine(_directory["bundle"], "model.safetensors"));
        using var processed = plan == "none" ? null : SafetensorsFile.Open(Path.Combine(_directory["bundle"], "processed.safetensors"));
        var external = 0;
        foreach (var t in ModelProto.Parser.ParseFrom(
            File.ReadAllBytes(Path.Combine(_directory["bundle"], "model.onnx"))).Graph.Initializer)
        {
            if (!Constants.IsExternal(t))
            {
                Assert.True(t.CalculateSize() <= 1024, $"{t.Name} has {t.CalculateSize()} bytes in the graph");
                continue;
            }
            external++;
            var at = t.ExternalData.ToDictionary(e => e.Key, e => e.Value);
            // what processing changed is in its own file, the rest where it lay
            var changed = processed?.Tensors.ContainsKey(t.Name) == true;
            Assert.Equal(changed ? "processed.safetensors" : "model.safetensors", at["location"]);
            var entry = (changed ? processed! : checkpoint).Tensors[t.Name];
            Assert.Equal((entry.Offset, entry.Length), (long.Parse(at["offset"]), long.Parse(at["length"])));
            Assert.Equal(entry.Shape, t.Dims);
        }
        Assert.True(external >= 20);
        Assert.Equal(plan != "none", File.Exists(Path.Combine(_directory["bundle"], "processed.safetensors")));
    }

    [Theory, InlineData("F16"), InlineData("BF16"), InlineData("F64")]
    public void Weights_of_another_type_count_as_their_float32_values(string type)
    {
        var narrow = Random2.Rewrite(_directory["narrow"], (name, shape, values) => [Stored(type, name, shape, values)]);
        var wide = Random2.Mapped(_directory["wide"], (_, values) => Array.ConvertAll(values, v => Rounded(type, v)));
        using var narrowSession = new PlainSession(Random2.Bundle(narrow, _directory["a"]));
        using var wideSession = new PlainSession(Random2.Bundle(wide, _directory["b"]));
        Assert.Equal(wideSession.Logits(s_tokens), narrowSession.Logits(s_tokens));
        // as float32 in a file, which every session maps; a cast would be a copy of all weights in each
        var graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(_directory["a"], "model.onnx"))).Graph;
        Assert.DoesNotContain(graph.Node, n => n.OpType == "Cast" && graph.Initializer.Any(t => t.Name == n.Input[0]));
        Assert.All(graph.Initializer.Where(Constants.IsExternal),
            t => Assert.Contains(t.ExternalData, e => e is { Key: "location", Value: "processed.safetensors" }));
        using var narrowProcessed = new PlainSession(Random2.Bundle(narrow, _directory["c"], o => WeightProcessingTests.Options(o, "all")));
        using var wideProcessed = new PlainSession(Random2.Bundle(wide, _directory["d"], o => WeightProcessingTests.Options(o, "all")));
        Assert.Equal(wideProcessed.Logits(s_tokens), narrowProcessed.Logits(s_tokens));
    }

    [Fact]
    public void Names_without_the_transformer_prefix_and_with_it_give_the_same_logits()
    {
        var prefixed = Random2.Rewrite(_directory["prefixed"],
            (name, shape, values) => [SafetensorsTensor.F32("transformer." + name, shape, () => values)]);
        using var bare = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["a"]));
        using var session = new PlainSession(Random2.Bundle(prefixed, _directory["b"]));
        Assert.Equal(bare.Logits(s_tokens), session.Logits(s_tokens));
        using var processed =
            new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["c"], o => WeightProcessingTests.Options(o, "all")));
        using var prefixedProcessed =
            new PlainSession(Random2.Bundle(prefixed, _directory["d"], o => WeightProcessingTests.Options(o, "all")));
        Assert.Equal(processed.Logits(s_tokens), prefixedProcessed.Logits(s_tokens));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_separate_unembedding_is_the_one_that_counts(bool prefixed)
    {
        var prefix = prefixed ? "transformer." : "";
        var untied = Random2.Rewrite(_directory["untied"], (name, shape, values) => name == "wte.weight"
            ? [SafetensorsTensor.F32(prefix + name, shape, () => values),
                SafetensorsTensor.F32("lm_head.weight", shape, () => Array.ConvertAll(values, v => 2 * v))]
            : [SafetensorsTensor.F32(prefix + name, shape, () => values)], config => config["tie_word_embeddings"] = false);
        using var tied = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["a"]));
        using var session = new PlainSession(Random2.Bundle(untied, _directory["b"]));
        Assert.Equal(tied.Logits(s_tokens).Select(v => 2 * v), session.Logits(s_tokens));
    }

    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void Weights_at_odd_offsets_are_read_where_they_lie(int shift)
    {
        var odd = Random2.Copy(_directory["odd"]);
        var path = Path.Combine(odd, "model.safetensors");
        var bytes = File.ReadAllBytes(path);
        var header = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header + shift);
        // JSON may end in spaces, and older files are not padded to a multiple of 8
        File.WriteAllBytes(path,
            [.. length, .. bytes.AsSpan(8, header), .. Enumerable.Repeat((byte)' ', shift), .. bytes.AsSpan(8 + header)]);
        using var even = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["a"]));
        using var session = new PlainSession(Random2.Bundle(odd, _directory["b"]));
        Assert.Equal(even.Logits(s_tokens), session.Logits(s_tokens));
    }

    [Fact]
    public void A_snapshot_of_links_as_in_the_hugging_face_cache_is_exported_elsewhere_and_refused_in_place()
    {
        var snapshot = Random2.Copy(_directory["snapshots/main"]);
        Directory.CreateDirectory(_directory["blobs"]);
        File.Move(Path.Combine(snapshot, "model.safetensors"), _directory["blobs/5d4a"]);
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.safetensors"), "../../blobs/5d4a");
        using var plain = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["a"]));
        using var session = new PlainSession(Random2.Bundle(snapshot, _directory["b"]));
        Assert.Equal(plain.Logits(s_tokens), session.Logits(s_tokens));
        // ONNX Runtime: "External data path escapes model directory"
        BundleWriterTests.Refused<BundleException>(() => Random2.Bundle(snapshot, snapshot),
            Path.Combine(snapshot, "model.safetensors"), "--out");
    }

    private static SafetensorsTensor Stored(string type, string name, long[] shape, float[] values) => type switch
    {
        "F16" => SafetensorsTensor.F16(name, shape, () => Array.ConvertAll(values, v => (Half)v)),
        "F64" => SafetensorsTensor.F64(name, shape, () => Array.ConvertAll(values, v => (double)v)),
        _ => new(name, TensorType.BF16, [.. shape], s => s.Write(MemoryMarshal.AsBytes(Array.ConvertAll(values, Upper).AsSpan()))),
    };

    private static float Rounded(string type, float v) => type switch
    {
        "F16" => (float)(Half)v,
        "F64" => v,
        _ => BitConverter.Int32BitsToSingle(Upper(v) << 16),
    };

    // bfloat16, rounded towards zero
    private static ushort Upper(float v) => (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16);
}
