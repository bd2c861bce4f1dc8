using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Dictionaries;

/// <summary>What a screen finds is what the plain way without packed weights finds, bit for bit: of every kind of dictionary,
/// on columns and inputs that codes of
/// 8 bits hold badly.</summary>
public sealed class EncoderScreenTests : IDisposable
{
    private static readonly string[] s_kinds = ["standard", "standard-unbiased", "jumprelu", "gated", "topk", "topk-scaled"];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string, int, int, int> Shapes
    {
        get
        {
            var all = new TheoryData<string, int, int, int>();
            foreach (var kind in s_kinds)
            {
                foreach (var (width, features) in ((int, int)[])[(3, 40), (64, 1000), (333, 2000), (768, 4096)])
                {
                    foreach (var rows in (int[])[1, 2, 16, 17, 70]) all.Add(kind, width, features, rows);
                }
            }
            return all;
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public void Features_and_activations_are_those_of_the_plain_way(string kind, int width, int features, int rows)
    {
        var random = new Random((width * 7) + rows);
        Write(kind, width, features, random);
        foreach (var packed in (bool[])[false, true])
        {
            foreach (var x in Inputs(width, rows, random)) Same(packed, x);
        }
    }

    /// <summary>Each column alone: no bound is too low where the input lies along the column's own error.</summary>
    [Fact]
    public void An_input_along_what_a_columns_codes_leave_is_found()
    {
        const int d = 96, n = 512;
        var random = new Random(3);
        Write("jumprelu", d, n, random);
        using var dictionary = Open(screened: true);
        var screen = dictionary.Screen!;
        // e = w - s q, so long that it is as far above its threshold as Cauchy and Schwarz allow
        var x = new float[n * d];
        for (var j = 0; j < n; j++)
        {
            double length = 0;
            for (var k = 0; k < d; k++)
            {
                x[(j * d) + k] = dictionary.EncoderWeights.Span[(k * n) + j] - (screen.Steps[j] * screen.Codes.Span[(k * n) + j]);
                length += (double)x[(j * d) + k] * x[(j * d) + k];
            }
            var (need, l) = (dictionary.Threshold![j] - dictionary.EncoderBias.Span[j], Math.Max(length, 1e-12));
            for (var k = 0; k < d; k++) x[(j * d) + k] *= (float)(Math.Max(need, 0.1) * 1.01 / l);
        }
        Assert.True(Same(packed: false, x) > n / 2);
    }

    /// <summary>They take turns at the memory that products are written to.</summary>
    [Theory, InlineData(false), InlineData(true)]
    public void Calls_of_many_sizes_side_by_side_leave_each_other_alone(bool packed)
    {
        const int width = 64;
        var random = new Random(5);
        Write("standard", width, 1000, random);
        using var plain = Open(screened: false);
        using var screened = Open(screened: true);
        using var reference = new DictionaryEncoder(new RunContext(threads: 2), packed: false);
        using var encoder = new DictionaryEncoder(new RunContext(threads: 2), packed);
        var inputs = ((int[])[70, 2, 33, 17, 5, 64, 3, 40]).Select(rows => Normal(rows * width, random, 1)).ToArray();
        var expected = inputs.Select(x => reference.Active(plain, x.ToArray())).ToList();
        for (var round = 0; round < 5; round++)
        {
            var found = new SparseRows[inputs.Length];
            Parallel.For(0, inputs.Length, new() { MaxDegreeOfParallelism = 4 },
                i => found[i] = encoder.Active(screened, inputs[i].ToArray()));
            Assert.All(expected.Zip(found), pair => AssertEqual(pair.First, pair.Second));
        }
    }

    [Fact]
    public void What_is_not_finite_goes_the_plain_way()
    {
        Write("standard", 32, 200, new Random(4));
        foreach (var bad in (float[])[float.NaN, float.PositiveInfinity, float.MaxValue])
        {
            var x = Enumerable.Repeat(1f, 4 * 32).ToArray();
            x[40] = bad;
            Same(packed: false, x);
        }
    }

    [Fact]
    public void Columns_come_from_its_rows()
    {
        Write("gated", 50, 300, new Random(5));
        using var plain = Open(screened: false);
        using var screened = Open(screened: true);
        int[] features = [0, 1, 7, 299];
        var (expected, actual) = (plain.EncoderColumns(features, 2), screened.EncoderColumns(features, 2));
        for (var i = 0; i < features.Length; i++) Assert.Equal(expected.At(i).ToArray(), actual.At(i).ToArray());
    }

    [Theory, InlineData(31, 200), InlineData(32, 201)]
    public void Another_dictionarys_screen_is_refused(int width, int features)
    {
        Write("standard", 32, 200, new Random(6));
        var other = Directory.CreateDirectory(_directory["other"]).FullName;
        var mine = Path.Combine(_directory["d"], EncoderScreenFile.FileName);
        Assert.Contains(EncoderScreenFile.FileName,
            Assert.Throws<CheckpointException>(() => EncoderScreenFile.Open(mine, width, features)).Message);
        var none = Assert.Throws<CheckpointException>(() => EncoderScreenFile.Open(Path.Combine(other, "none"), 32, 200));
        Assert.Contains("there is no", none.Message);
    }

    [Theory, InlineData(float.NaN), InlineData(-1f), InlineData(float.PositiveInfinity)]
    public void Bounds_that_are_none_are_refused(float value)
    {
        Write("standard", 32, 200, new Random(6));
        var path = Path.Combine(_directory["d"], EncoderScreenFile.FileName);
        var bytes = File.ReadAllBytes(path);
        // the steps come first, behind the header
        BitConverter.GetBytes(value).CopyTo(bytes, 8 + (int)BitConverter.ToInt64(bytes) + (4 * 7));
        File.WriteAllBytes(path, bytes);
        Assert.Contains("export the bundle again", Assert.Throws<CheckpointException>(() => EncoderScreenFile.Open(path, 32, 200)).Message);
    }

    // how many features were found
    private int Same(bool packed, float[] x)
    {
        using var plain = Open(screened: false);
        using var screened = Open(screened: true);
        Assert.NotNull(screened.Screen);
        using var reference = new DictionaryEncoder(new RunContext(threads: 2), packed: false);
        using var encoder = new DictionaryEncoder(new RunContext(threads: 2), packed);
        var expected = reference.Active(plain, x.ToArray());
        AssertEqual(expected, encoder.Active(screened, x.ToArray()));
        return Enumerable.Range(0, expected.Rows).Sum(t => expected.Features(t).Length);
    }

    private static void AssertEqual(SparseRows expected, SparseRows actual)
    {
        Assert.Equal(expected.Rows, actual.Rows);
        for (var t = 0; t < expected.Rows; t++)
        {
            Assert.Equal(expected.Features(t).ToArray(), actual.Features(t).ToArray());
            Assert.Equal(expected.Activations(t).ToArray(), actual.Activations(t).ToArray());
        }
    }

    // noise; one entry above all; nothing; along columns; tiny and large
    private IEnumerable<float[]> Inputs(int width, int rows, Random random)
    {
        using var dictionary = Open(screened: false);
        var noise = Normal(rows * width, random, 1);
        yield return noise;
        var outlier = noise.ToArray();
        for (var t = 0; t < rows; t++) outlier[(t * width) + (t % width)] = 1000;
        yield return outlier;
        yield return new float[rows * width];
        var along = noise.ToArray();
        for (var t = 0; t < rows; t++)
        {
            for (var k = 0; k < width; k++)
            {
                var column = t % dictionary.FeatureCount;
                along[(t * width) + k] += 20 * dictionary.EncoderWeights.Span[(k * dictionary.FeatureCount) + column];
            }
        }
        yield return along;
        // squares of these are 0 in float32
        foreach (var tiny in (float[])[1e-23f, 1e-30f]) yield return Array.ConvertAll(noise, v => v * tiny);
        yield return Array.ConvertAll(noise, v => v * 1e10f);
    }

    private static float[] Normal(int count, Random random, double scale)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
        {
            values[i] = (float)(scale * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(Math.Tau * random.NextDouble()));
        }
        return values;
    }

    private void Write(string kind, int width, int features, Random random)
    {
        var folder = Directory.CreateDirectory(_directory["d"]).FullName;
        SafetensorsWriter.Write(Path.Combine(folder, SaeLensDictionary.WeightsFileName), Tensors(kind, width, features, random));
        var config = new JsonObject
        {
            ["architecture"] = kind.Split('-')[0],
            ["d_in"] = width,
            ["d_sae"] = features,
            ["apply_b_dec_to_input"] = true,
            ["metadata"] = new JsonObject { ["hook_name"] = "blocks.0.hook_resid_pre" },
        };
        if (kind.StartsWith("topk")) (config["k"], config["rescale_acts_by_decoder_norm"]) = (Math.Min(20, features / 2), kind != "topk");
        File.WriteAllText(Path.Combine(folder, SaeLensDictionary.ConfigFileName), config.ToJsonString());
        using var dictionary = SaeLensDictionary.Open(folder);
        EncoderScreenFile.Write(dictionary.File, Path.Combine(folder, EncoderScreenFile.FileName), 2, CancellationToken.None);
    }

    // columns of noise, and some that are zero, twice the same, of one entry, denormal, or with one entry a thousand times the others
    private static List<SafetensorsTensor> Tensors(string kind, int width, int features, Random random)
    {
        var w = Normal(width * features, random, 1 / Math.Sqrt(width));
        for (var k = 0; k < width; k++)
        {
            w[(k * features) + 1] = 0;
            w[(k * features) + 2] = w[(k * features) + 3];
            w[(k * features) + 4] *= k == 0 ? 1 : 0;
            w[(k * features) + 5] *= 1e-41f;
            w[(k * features) + 6] *= k == width / 2 ? 1000 : 1;
            w[(k * features) + features - 1] = w[(k * features) + features - 2];
        }
        var bias = Normal(features, random, 0.1);
        (bias[1], bias[2], bias[^1]) = (0.25f, bias[3], bias[^2]);
        long d = width, n = features;
        List<SafetensorsTensor> tensors =
        [
            SafetensorsTensor.F32("W_enc", [d, n], () => w),
            SafetensorsTensor.F32("W_dec", [n, d], () => Normal(width * features, random, 1)),
            SafetensorsTensor.F32("b_dec", [d], () => Normal(width, random, 0.1)),
        ];
        void Feature(string name, float[] values) => tensors.Add(SafetensorsTensor.F32(name, [n], () => values));
        if (kind == "gated")
        {
            Feature("b_gate", [.. bias.Select(b => b - 2)]);
            Feature("b_mag", bias);
            Feature("r_mag", Normal(features, random, 0.3));
        }
        else
        {
            Feature("b_enc", kind == "standard" ? [.. bias.Select(b => b - 2)]
                : kind == "standard-unbiased" ? [.. bias.Select((_, j) => j % 8 == 0 ? 0f : -2)] : bias);
        }
        // the zero column lies at its threshold
        if (kind == "jumprelu") Feature("threshold", [.. bias.Select((b, j) => j == 1 ? 0.25f : 2 + Math.Abs(b))]);
        return tensors;
    }

    private SparseDictionary Open(bool screened) => new(SaeLensDictionary.Open(_directory["d"])
        .WithScreen(screened ? Path.Combine(_directory["d"], EncoderScreenFile.FileName) : null));
}
