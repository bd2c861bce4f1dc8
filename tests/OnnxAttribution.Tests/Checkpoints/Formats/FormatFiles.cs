using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>Files that PyTorch and NumPy wrote, in the published layouts
/// (tests/references/dictionary_files.py); 6 inputs, 10 features.</summary>
internal static class FormatFiles
{
    public static string Root { get; } = Path.Combine(AppContext.BaseDirectory, "Checkpoints", "Formats", "Files");

    public static string Published { get; } = Path.Combine(Root, "published");

    /// <summary>The weights of each dictionary, by their path below <see cref="Published"/>.</summary>
    public static IEnumerable<string> Sources
    {
        get
        {
            using var golden = Golden();
            return [.. golden.Tensors.Keys.Where(k => k.EndsWith("/x", StringComparison.Ordinal))
                .Select(k => k[..^2])
                .Order(StringComparer.Ordinal)];
        }
    }

    public static SafetensorsFile Golden() => SafetensorsFile.Open(Path.Combine(Root, "golden.safetensors"));

    /// <summary>Copies one dictionary's folder, in its published layout.</summary>
    public static string Copy(string source, string to)
    {
        var folder = Path.GetDirectoryName(source)!;
        var at = Directory.CreateDirectory(Path.Combine(to, folder)).FullName;
        foreach (var file in Directory.GetFiles(Path.Combine(Published, folder)))
        {
            // what lies at the top are the files of one dictionary each
            if (folder.Length > 0 || Path.GetFileName(file).StartsWith(Path.GetFileNameWithoutExtension(source), StringComparison.Ordinal))
            {
                File.Copy(file, Path.Combine(at, Path.GetFileName(file)));
            }
        }
        return Path.Combine(to, source);
    }

    /// <summary>What a dictionary of SAELens's layout makes of x [rows, d]: features [rows, n], and x̂ [rows, d].</summary>
    public static (float[] Features, float[] Rebuilt) Encode(string folder, float[] x)
    {
        using var dictionary = new SparseDictionary(SaeLensDictionary.Open(folder));
        using var encoder = new DictionaryEncoder(new RunContext(), packed: false);
        var n = dictionary.FeatureCount;
        var rows = x.Length / dictionary.Width;
        var encoding = encoder.Encode(dictionary, x, rows);
        var dense = new float[rows * n];
        for (var t = 0; t < rows; t++)
        {
            for (var i = 0; i < encoding.Features[t].Length; i++) dense[(t * n) + encoding.Features[t][i]] = encoding.Activations[t][i];
        }
        return (dense, [.. x.Zip(encoding.Errors, (a, e) => a - e)]);
    }

    /// <summary>Equal within 1e-5 of the largest.</summary>
    public static void Close(double[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        var tolerance = 1e-5 * expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    /// <summary>The one dictionary in a folder.</summary>
    public static FoundDictionary FindOne(string folder) => Assert.Single(DictionaryFinder.FindAll(folder));

    /// <summary>The message of the refusal; it names a path in the folder and is one line.</summary>
    public static string Refused(string folder)
    {
        var message = Assert.Throws<CheckpointException>(() => DictionaryFinder.FindAll(folder)).Message;
        Assert.StartsWith(folder, message);
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
