using System.Text.RegularExpressions;

namespace OnnxAttribution.Hub;

/// <summary>Which files of a repository a model or a dictionary needs; nothing else is fetched.</summary>
internal static partial class NeededFiles
{
    private const string Config = "config.json", Weights = "model.safetensors", Index = "model.safetensors.index.json";

    private static readonly string[] s_tokenizer =
    [
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    ];

    // beside a file of weights, or in its folder
    private static readonly string[] s_configs = [Config, "cfg.json", "hyperparams.json", "config.yaml", "sparsity.safetensors"];

    private static readonly string[] s_dictionary = [".safetensors", ".npz", ".pt", ".pth", ".json", ".yaml", ".yml"];

    /// <summary>A model's config, tokenizer and weights in safetensors, at the top of its repository.</summary>
    /// <exception cref="HubException">It has no config, or no such weights.</exception>
    public static IReadOnlyList<HubFile> OfModel(HubRepository repository)
    {
        var (top, name) = (repository.Files.Where(f => f.Folder.Length == 0).ToList(), repository.Reference.Repository);
        if (!top.Any(f => f.Name == Config))
        {
            throw new HubException($"{name} has no {Config}, so it holds no model of transformers; name the model's own repository");
        }
        var whole = top.Where(f => f.Name == Weights).ToList();
        var shards = top.Where(f => f.Name == Index || Shard.IsMatch(f.Name)).ToList();
        var weights = whole.Count > 0 ? whole : shards.Any(f => f.Name == Index) ? shards : throw new HubException(
            $"{name} has no {Weights}: its weights are of another format, which is not read. Some repositories have them at a further "
            + "revision: look for a conversion to safetensors among its discussions, and name it, as OWNER/NAME@refs/pr/1");
        return [.. top.Where(f => f.Name == Config || s_tokenizer.Contains(f.Name)), .. weights];
    }

    /// <summary>A dictionary's files, by its folder or its file of weights as published.</summary>
    /// <exception cref="HubException">They are not there.</exception>
    public static IReadOnlyList<HubFile> OfDictionary(HubRepository repository, string path)
    {
        if (repository.Files.FirstOrDefault(f => f.Path == path) is { } weights)
        {
            var own = Path.ChangeExtension(path, null) + "_cfg.json";
            return [.. repository.Files.Where(f => f.Path == own || (f.Folder == weights.Folder && s_configs.Contains(f.Name))), weights];
        }
        var files = repository.Files.Where(f => f.Path.StartsWith(path + "/", StringComparison.Ordinal) && IsOfDictionary(f)).ToList();
        return files.Count > 0 ? files : throw new HubException($"{repository.Reference.Repository} has no {path} at "
            + $"{repository.Commit}; its files have moved, give the revision that had them, or the repository by its name");
    }

    /// <summary>Everything of a repository that may be of a dictionary, of these layers where the paths tell layers.</summary>
    public static IReadOnlyList<HubFile> OfDictionaries(HubRepository repository, IReadOnlySet<int>? layers)
    {
        var files = repository.Files.Where(IsOfDictionary).ToList();
        if (layers is null) return files;
        var ofLayers = files.Where(f => LayerOf(f.Path) is { } layer && layers.Contains(layer)).ToList();
        if (ofLayers.Count == 0)
        {
            throw new HubException($"{repository.Reference.Repository} has no dictionary whose path names one of these layers")
            {
                Settings = [OnnxAttribution.Files.Setting.Layers]
            };
        }
        // what lies above them describes them all
        return [.. files.Where(f => s_configs.Contains(f.Name) && LayerOf(f.Path) is null
            && ofLayers.Any(o => o.Path.StartsWith(f.Folder, StringComparison.Ordinal))), .. ofLayers];
    }

    private static bool IsOfDictionary(HubFile file) => s_dictionary.Any(ending => file.Name.EndsWith(ending, StringComparison.Ordinal))
        && !file.Path.Split('/').Any(part => part.StartsWith('.')) && !Training.IsMatch(file.Name);

    /// <summary>The layer that a path names, as in layer_3, layers.3, blocks.3., L3R and l3r; null: none.</summary>
    internal static int? LayerOf(string path) =>
        Layer.Match(path) is { Success: true } match ? int.Parse(match.Groups["layer"].ValueSpan) : null;

    [GeneratedRegex(@"(?:^|[/_.\-])(?:layers?[_.\-]?|blocks\.|resid_post_layer_|[lL])(?<layer>\d{1,3})(?!\d)")]
    private static partial Regex Layer { get; }

    [GeneratedRegex(@"^model-\d{5}-of-\d{5}\.safetensors$")]
    private static partial Regex Shard { get; }

    // to go on training with
    [GeneratedRegex(@"^(?:.*_)?(?:state|optimizer|scheduler|optim)(?:_\d+)?\.(?:pt|pth)$|^ae_\d+\.pt$")]
    private static partial Regex Training { get; }
}
