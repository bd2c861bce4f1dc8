using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>What people have where a checkpoint's directory is asked for, and is none:
/// a name on the hub, an adapter, weights in other formats. Each gets the line that says what it is and what to do.</summary>
internal static partial class CheckpointFolder
{
    /// <summary>A model's weights in one file, and what says which shard has which tensor.</summary>
    public const string SingleFile = "model.safetensors", IndexFile = "model.safetensors.index.json";

    /// <summary>What to do with an adapter.</summary>
    public const string Merge =
        "merge it into its model first: PeftModel.from_pretrained(MODEL, DIR).merge_and_unload().save_pretrained(NEW)";

    /// <summary>How a model that is not read here comes to a graph that is.</summary>
    public const string ExportTorch =
        "export-scripts/export_torch.py makes an ONNX graph of any causal language model, which is exported in its place";

    // what a trainer leaves beside weights
    private static readonly string[] s_ofTraining = ["training_args", "optimizer", "scheduler", "scaler", "rng_state"];

    private const string Save = "AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW) of transformers writes model.safetensors";

    /// <summary>Refuses what holds no <c>config.json</c> where it shows what it is instead.</summary>
    /// <exception cref="CheckpointException">It is no directory, or one of something else.</exception>
    public static void Require(string directory)
    {
        if (File.Exists(directory))
        {
            throw new CheckpointException(directory, "is a file; give the directory that holds config.json and model.safetensors.");
        }
        if (!Directory.Exists(directory)) throw NoDirectory(directory, "the directory that holds config.json and model.safetensors");
        if (File.Exists(Path.Combine(directory, "config.json"))) return;
        if (Adapter(directory) is { } adapter) throw adapter;
        if (Directory.Exists(Path.Combine(directory, "snapshots")))
        {
            throw new CheckpointException(directory, "is a folder of the hub's cache; give the folder of a commit below snapshots in "
                + $"it{Named(Directory.GetDirectories(Path.Combine(directory, "snapshots")))}.");
        }
        if (Directory.GetDirectories(directory)
            .Where(d => File.Exists(Path.Combine(d, "config.json")))
            .Order(StringComparer.Ordinal)
            .ToArray() is { Length: > 0 } below)
        {
            throw new CheckpointException(directory, $"has no config.json, but folders in it have; give one of them{Named(below)}.");
        }
        if (Directory.GetFiles(directory, "*.onnx").Length > 0)
        {
            throw new CheckpointException(directory, "holds an ONNX graph and no checkpoint; give the .onnx file instead.")
            {
                Settings = [Setting.Onnx]
            };
        }
        if (Other(directory) is { } other) throw other;
    }

    /// <summary>There is no such directory: it may be a name on the hub.</summary>
    /// <param name="wanted">What the directory has to be.</param>
    public static CheckpointException NoDirectory(string path, string wanted) =>
        new(path, $"there is no such directory; give {wanted}{OfHub(path)}.")
        {
            Next = IsHubName(path) ? new NextStep(StepKind.Fetch, path) : null
        };

    /// <summary>Goes on with a sentence about a directory that is not there, where its name may be one on the hub.</summary>
    public static string OfHub(string path) => IsHubName(path) ? "; if this is a name on the Hugging Face hub, fetch it first" : "";

    /// <summary>Whether a path could be OWNER/NAME, or a name alone.</summary>
    public static bool IsHubName(string path) => HubName.IsMatch(path);

    /// <summary>There is no file of weights that is read.</summary>
    public static CheckpointException NoWeights(string directory)
    {
        if (Adapter(directory) is { } adapter) return adapter;
        string[] Files(string pattern) =>
            [.. Directory.GetFiles(directory, pattern).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal)];
        if (Files("model-*-of-*.safetensors").Length > 0)
        {
            return new(directory, $"has shards of weights, but no {IndexFile} that says which tensor is where; download it.");
        }
        if (Files("*.safetensors") is [var only, ..])
        {
            return new(directory,
                $"has no {SingleFile}, but {DisplayText.QuotedName(only)}; if that is the whole model, give it this name.");
        }
        return Other(directory) ?? new(directory, $"has no {SingleFile}; download it.");
    }

    private static CheckpointException? Adapter(string directory)
    {
        var path = Path.Combine(directory, "adapter_config.json");
        if (!File.Exists(path)) return null;
        var config = ConfigJson.Read(path);
        var kind = config.String("peft_type") is { } type ? $" ({type})" : "";
        var model = config.String("base_model_name_or_path") is { } name ? $" of {DisplayText.QuotedName(name)}" : "";
        return new(directory, $"holds an adapter{kind}{model}, not a model; {Merge}.");
    }

    private static CheckpointException? Other(string directory)
    {
        bool Has(string pattern) => Directory.GetFiles(directory, pattern).Any(f => !s_ofTraining.Any(Path.GetFileName(f).StartsWith));
        if (Has("*.gguf"))
        {
            return new(directory,
                "holds GGUF, weights for llama.cpp that are mostly quantized; take the checkpoint that they were made of.");
        }
        if (Has("pytorch_model*.bin")) return new(directory, $"has its weights in pytorch_model.bin, which is not read; {Save}.");
        if (Has("consolidated*.pth") || Has("consolidated*.safetensors"))
        {
            return new(directory,
                "holds weights in their author's own layout; take the repository in Hugging Face's (often with -hf in its name).");
        }
        if (Has("*.pt") || Has("*.pth") || Has("*.ckpt") || Has("*.bin"))
        {
            return new(directory, $"has no {SingleFile}, but weights that torch saved; "
                + "load them into their model, and model.save_pretrained(NEW) writes it.");
        }
        if (Has("flax_model*.msgpack") || Has("tf_model*.h5"))
        {
            return new(directory, $"holds weights of Flax or TensorFlow, which are not read; {Save} (from_flax=True or from_tf=True).");
        }
        return null;
    }

    private static string Named(string[] folders) =>
        folders.Length == 0 ? "" : $", such as {DisplayText.QuotedName(Path.GetFileName(folders[0]))}";

    // OWNER/NAME, or the name alone
    [GeneratedRegex(@"^[A-Za-z0-9][\w.\-]{0,95}(/[A-Za-z0-9][\w.\-]{0,95})?$", RegexOptions.CultureInvariant)]
    private static partial Regex HubName { get; }
}
