using OnnxAttribution.Hub;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Hub;

/// <summary>Fetches from a <see cref="HubServer"/> into a folder of its own, and keeps what was said. Nothing waits.</summary>
internal sealed class Fetching : IDisposable
{
    public const string Gpt2 = "openai-community/gpt2", ResJb = "jbloom/GPT2-Small-SAEs-Reformatted", Token = "hf_secret0123456789",
        Weights = "model.safetensors";

    public static readonly string[] Model = ["config.json", "merges.txt", Weights, "tokenizer.json", "vocab.json"];

    private readonly TemporaryDirectory _directory = new();

    public string Out => _directory["gpt2"];

    public string Part => Path.Combine(Out, Weights + ".part");

    public TemporaryDirectory Directory => _directory;

    /// <summary>What was waited for.</summary>
    public List<TimeSpan> Waited { get; } = [];

    public List<string> Said { get; } = [];

    public List<FetchProgress> Progress { get; } = [];

    public void Dispose() => _directory.Dispose();

    /// <summary>The hub with GPT-2: the small random model of the goldens under GPT-2's name.</summary>
    /// <param name="how">How its weights are served.</param>
    /// <param name="config">How its config is.</param>
    /// <param name="hub">What it can do; null: all.</param>
    public static HubServer Hub(Func<ServedFile, ServedFile>? how = null, Func<ServedFile, ServedFile>? config = null,
        HubServer? hub = null)
    {
        hub ??= new HubServer();
        foreach (var name in Model.Where(n => n != "tokenizer.json"))
        {
            hub.Add(Gpt2, name, File.ReadAllBytes(Path.Combine(Random2.Checkpoint, name)), name switch
            {
                Weights => how,
                "config.json" => config,
                _ => null
            });
        }
        hub.Add(Gpt2, "tokenizer.json", PublishedTokenizer.OfGpt2());
        // present on the hub and not needed
        hub.Add(Gpt2, "onnx/a quoted, {name}.bin", "nobody asks for this"u8.ToArray());
        hub.Add(Gpt2, "pytorch_model.bin", "nor for this"u8.ToArray());
        return hub;
    }

    public void AddResJb(HubServer hub, params string[] sites)
    {
        foreach (var site in sites) AddDictionary(hub, ResJb, site, site);
    }

    public void AddDictionary(HubServer hub, string repository, string folder, string site)
    {
        var made = _directory[$"made/{site}"];
        DictionaryFiles.Random(site, width: 16, features: 12, seed: 1).Write(made);
        foreach (var file in System.IO.Directory.GetFiles(made))
        {
            hub.Add(repository, $"{folder}/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        }
        hub.Add(repository, $"{folder}/sparsity.safetensors", [1, 2, 3]);
        hub.Add(repository, $"{folder}/about.md", [1, 2, 3]);
    }

    public FetchRequest Request(string model = "gpt2") => new(model, Out);

    public FetchResult Run(HubServer hub, FetchRequest? request = null, Func<HubOptions, HubOptions>? how = null,
        CancellationToken cancel = default)
    {
        var options = new HubOptions
        {
            Endpoint = new Uri(hub.Endpoint),
            Pause = (wait, _) =>
            {
                Waited.Add(wait);
                return Task.CompletedTask;
            }
        };
        var handler = HubClient.Sockets();
        handler.UseProxy = false;
        if (hub.Certificate is { } own)
        {
            handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.GetCertHashString()
                == own.Certificate.GetCertHashString();
        }
        using var client = new HubClient(how?.Invoke(options) ?? options, handler);
        return Fetch.RunAsync(request ?? Request(), client, new FetchWatch(Progress.Add, _ => { }, Said.Add), cancel)
            .GetAwaiter().GetResult();
    }

    /// <summary>It is refused with one line that has all of these words.</summary>
    public void Refused(HubServer hub, FetchRequest? request, Func<HubOptions, HubOptions>? how, params string[] words)
    {
        var thrown = Assert.Throws<HubException>(() => Run(hub, request, how));
        Assert.All(words, word => Assert.Contains(word, thrown.Message));
        Assert.DoesNotContain('\n', thrown.Message);
    }

    public void Refused(HubServer hub, params string[] words) => Refused(hub, null, null, words);

    /// <summary>What lies in the folder, in order, but for what fetch itself writes down.</summary>
    public List<string> Fetched() => [.. BundleWriterTests.FilesOf(Out).Where(f => f != FetchRecord.FileName)];

    public void AssertWhole(HubServer hub)
    {
        Assert.DoesNotContain(Fetched(), f => f.EndsWith(".part", StringComparison.Ordinal));
        foreach (var name in Model.Where(n => n != "tokenizer.json"))
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(Random2.Checkpoint, name)), File.ReadAllBytes(Path.Combine(Out, name)));
        }
        Assert.DoesNotContain(hub.Requests, r => r.File is { Path: "pytorch_model.bin" or "onnx/a quoted, {name}.bin" });
    }

    public static IEnumerable<string> Dictionary(string folder) =>
        ((string[])["cfg.json", "sae_weights.safetensors", "sparsity.safetensors"]).Select(f => $"dictionaries/{folder}/{f}");
}
