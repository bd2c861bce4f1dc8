using System.Text;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.ExportScripts;

// the hub, and what a run of the script left
public sealed partial class FetchGpt2Tests
{
    private FetchScript Fetch(HubServer hub, params string[] options) =>
        FetchScript.Run(hub, ["--out", Out, "--retry-delay", "0", .. options]);

    /// <summary>The hub with GPT-2: the small random model of the goldens under GPT-2's name.</summary>
    /// <param name="how">How its weights are served.</param>
    /// <param name="hub">What it can do; null: all.</param>
    private static HubServer Hub(Func<HubFile, HubFile>? how = null, Func<HubFile, HubFile>? config = null, HubServer? hub = null)
    {
        hub ??= new HubServer();
        foreach (var name in s_model.Where(n => n != "tokenizer.json"))
        {
            hub.Add(Gpt2, name, File.ReadAllBytes(Path.Combine(Random2.Checkpoint, name)), name switch
            {
                "model.safetensors" => how,
                "config.json" => config,
                _ => null
            });
        }
        hub.Add(Gpt2, "tokenizer.json", PublishedTokenizer.OfGpt2());
        // present on the hub and not needed
        hub.Add(Gpt2, "onnx/a \"quoted\", {name}.bin", Encoding.UTF8.GetBytes("nobody asks for this"));
        return hub;
    }

    private void AddResJb(HubServer hub, params string[] sites)
    {
        foreach (var site in sites) AddDictionary(hub, ResJb, site, site);
    }

    private void AddDictionary(HubServer hub, string repository, string folder, string site)
    {
        var made = _directory[$"made/{site}"];
        DictionaryFiles.Random(site, width: 16, features: 12, seed: 1).Write(made);
        foreach (var file in Directory.GetFiles(made)) hub.Add(repository, $"{folder}/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        hub.Add(repository, $"{folder}/sparsity.safetensors", [1, 2, 3]);
    }

    private static IEnumerable<string> Dictionary(string folder) =>
        ((string[])["cfg.json", "sae_weights.safetensors", "sparsity.safetensors"]).Select(f => $"dictionaries/{folder}/{f}");

    private List<string> Fetched() => BundleWriterTests.FilesOf(Out);

    private void AssertWhole(HubServer hub)
    {
        Assert.DoesNotContain(Fetched(), f => f.EndsWith(".part", StringComparison.Ordinal));
        foreach (var name in s_model.Where(n => n != "tokenizer.json"))
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(Random2.Checkpoint, name)), File.ReadAllBytes(Path.Combine(Out, name)));
        }
        Assert.DoesNotContain(hub.Requests, r => r.File?.Path.StartsWith("onnx/", StringComparison.Ordinal) ?? false);
    }
}
