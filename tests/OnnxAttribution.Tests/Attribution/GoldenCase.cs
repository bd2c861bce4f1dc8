using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Attribution;

/// <summary>One case of Goldens/: numbers of a PyTorch program in float64 that shares no code with ours (see Goldens/README.md).</summary>
internal sealed class GoldenCase : IDisposable
{
    private readonly SafetensorsFile _file;

    private GoldenCase(string name, JsonNode facts, SafetensorsFile file)
    {
        Name = name;
        Facts = facts;
        _file = file;
    }

    public static string Root => Path.Combine(AppContext.BaseDirectory, "Goldens");

    public string Name { get; }
    public JsonNode Facts { get; }

    public int[] Tokens => Ints("tokens")!;
    public int[]? PatchTokens => Ints("patch_tokens");
    public int Position => (int)Facts["position"]!;
    public int Target => (int)Facts["target"]!;
    public int Foil => (int)Facts["foil"]!;
    public string[] Sites => [.. Facts["sites"]!.AsArray().Select(s => (string)s!)];
    public IEnumerable<(string Up, string Down)> Pairs => Facts["edges"]!["pairs"]!.AsArray().Select(p => ((string)p![0]!, (string)p[1]!));

    public static GoldenCase Open(string name)
    {
        var folder = Path.Combine(Root, name);
        return new GoldenCase(name, JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "case.json")))!,
            SafetensorsFile.Open(Path.Combine(folder, "golden.safetensors")));
    }

    /// <summary>Names of the cases of one model that have nodes.</summary>
    public static IEnumerable<string> NamesOf(string model) =>
        Directory.GetDirectories(Root).Select(Path.GetFileName).Where(n => n!.StartsWith(model + "-", StringComparison.Ordinal)
            && JsonNode.Parse(File.ReadAllText(Path.Combine(Root, n, "case.json")))!["methods"] is not null).Order()!;

    /// <summary>Names of the cases, of any model, that have something of their own.</summary>
    public static IEnumerable<string> NamesWith(string key) => Directory.GetDirectories(Root).Select(d => Path.GetFileName(d)!)
        .Where(n => File.Exists(Path.Combine(Root, n, "case.json"))
            && JsonNode.Parse(File.ReadAllText(Path.Combine(Root, n, "case.json")))![key] is not null)
        .Order(StringComparer.Ordinal);

    public IEnumerable<(string Method, string Metric)> Runs(string table = "methods") =>
        Facts[table]!.AsObject()
            .Where(m => m.Key is "atp" or "ig" or "exact" or "atpstar")
            .SelectMany(m => m.Value!.AsArray().Select(x => (m.Key, (string)x!)));

    public IEnumerable<string> Names => _file.Tensors.Keys;

    public bool Has(string tensor) => _file.Tensors.ContainsKey(tensor);

    public double[] this[string tensor] => _file.ReadDoubles(tensor);

    public IEnumerable<long> Shape(string tensor) => _file.Tensors[tensor].Shape;

    /// <summary>The case's model as a bundle in a temporary directory, with the dictionaries that the case counts.</summary>
    public LoadedModel OpenModel(TemporaryDirectory at, string? bundle = null)
    {
        if (bundle is null)
        {
            var checkpoint = Path.Combine(Root, "models", (string)Facts["model"]!);
            bundle = at["bundle"];
            var dictionaries = Directory.CreateDirectory(at["dictionaries"]).FullName;
            foreach (var (site, kind) in Facts["dictionaries"]!.AsObject())
            {
                if (kind is null) continue;
                var to = Directory.CreateDirectory(Path.Combine(dictionaries, site)).FullName;
                foreach (var f in Directory.GetFiles(Path.Combine(checkpoint, "dictionaries", site)))
                {
                    File.Copy(f, Path.Combine(to, Path.GetFileName(f)));
                }
            }
            BundleWriter.Write(new ExportOptions(checkpoint, [dictionaries], bundle));
        }
        return LoadedModel.Open(bundle, Sites, new RunContext());
    }

    /// <summary>The golden was made from these very weights; where they changed since, it has to be made again.</summary>
    public void RequireWeights(string directory)
    {
        foreach (var (file, hash) in Facts["files"]!.AsObject())
        {
            using var stream = File.OpenRead(Path.Combine(directory, file));
            Assert.True(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(stream)) == (string)hash!,
                $"{file} is not the one that {Name} was made from; run tests/references/goldens.py --tiny models/tiny --only-tiny");
        }
    }

    public void Dispose() => _file.Dispose();

    private int[]? Ints(string key) => Facts[key]?.AsArray().Select(t => (int)t!).ToArray();
}
