using System.Text.Json;
using System.Text.RegularExpressions;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>sites.json: which tensors of a foreign graph are the tokens, the logits, the sites and other hooks.</summary>
/// <remarks>
/// <code>
/// { "tokens": "input_ids", "inputs": { "mask": "attention_mask" }, "logits": "logits",
///   "sites": { "blocks.0.hook_resid_pre": "tensor", … },
///   "hooks": { "blocks.0.attn.hook_pattern": "tensor" }, "n_layers": 12, "n_heads": 12, "n_ctx": 1024, "prepend_bos": true }
/// </code>
/// Only sites is needed. inputs: what inputs of other names hold, by the name that Hugging Face gives it
/// (<see cref="ForeignInputs"/>). n_layers: by default one more than the highest block that is named. Tokens: by default
/// the graph's input input_ids or tokens. Logits: its output logits. n_ctx: the length of its position table. prepend_bos:
/// whether prompts begin with BOS where no dictionary says so.
/// </remarks>
internal sealed partial record SiteMap
{
    private static readonly string[] s_keys =
        ["tokens", "inputs", "logits", "sites", "hooks", "n_layers", "n_heads", "n_ctx", "prepend_bos"];
    private static readonly string[] s_kinds =
        ["hook_resid_pre", "attn.hook_z", "hook_attn_out", "hook_resid_mid", "hook_mlp_out", "hook_resid_post"];

    public required string Path { get; init; }
    public string? Tokens { get; init; }

    /// <summary>Inputs of the graph and what each holds, by Hugging Face's name for it.</summary>
    public required IReadOnlyList<(string Input, string Meaning)> Inputs { get; init; }
    public string? Logits { get; init; }
    public int? Heads { get; init; }
    public int? Positions { get; init; }
    public bool? PrependBos { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Site and tensor, sites named as bundles name them, in the order in which a model computes them.</summary>
    public required IReadOnlyList<(string Site, string Tensor)> Sites { get; init; }

    /// <summary>Other readable tensors: TransformerLens name and tensor.</summary>
    public required IReadOnlyList<(string Hook, string Tensor)> Hooks { get; init; }

    /// <exception cref="BundleException">The file is missing, no JSON,
    /// or says something that is not known; the message names the key.</exception>
    public static SiteMap Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new BundleException($"{(Directory.Exists(path) ? $"{path} is a directory" : $"there is no {path}")}; give the "
                + "JSON file that names the sites' tensors: {\"sites\": {\"blocks.0.hook_resid_pre\": \"TENSOR\", …}}")
            {
                Settings = [Setting.Sites]
            };
        }
        try
        {
            using var document = JsonDocument.Parse(RegularFile.ReadAllText(path),
                new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Read(path, document.RootElement);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BundleException($"{path} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new BundleException($"{path} is not valid JSON ({JsonFault.Words(e)}); fix it", e);
        }
    }

    private static SiteMap Read(string path, JsonElement root)
    {
        RequireKeys(path, root);
        var named = NamedSites(path, root);
        var blocks = 1 + named.Max(n => Site.Parse(n.Name).Layer);
        var layers = Integer(path, root, "n_layers") ?? blocks;
        if (layers < blocks)
        {
            throw new BundleException($"{path}: n_layers is {layers}, but a site is in block {blocks - 1}; blocks count from 0");
        }
        var sites = named.Select(n => (Site: Site.Canonical(n.Name, layers), n.Tensor)).ToList();
        Distinct(path, sites.Zip(named, (s, n) => (s.Site, n.Name)), "name the same site");
        return new SiteMap
        {
            Path = path,
            Tokens = Text(path, root, "tokens"),
            Inputs = Names(path, root, "inputs"),
            Logits = Text(path, root, "logits"),
            Heads = Integer(path, root, "n_heads"),
            Positions = Integer(path, root, "n_ctx"),
            PrependBos = !root.TryGetProperty("prepend_bos", out var bos) ? null
                : bos.ValueKind is JsonValueKind.True or JsonValueKind.False ? bos.GetBoolean()
                : throw Wrong(path, "prepend_bos", "true or false", bos),
            Layers = layers,
            Sites = [.. sites.OrderBy(s => Site.Parse(s.Site).Layer).ThenBy(s => Site.Parse(s.Site).OrderInBlock)],
            Hooks = NamedHooks(path, root, sites),
        };
    }

    private static void RequireKeys(string path, JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new BundleException($"{path} holds a JSON {root.ValueKind}, not an object with the key \"sites\"");
        }
        foreach (var p in root.EnumerateObject().Where(p => !s_keys.Contains(p.Name)))
        {
            throw new BundleException($"{path} has the unknown key '{p.Name}'. "
                + $"Did you mean '{SpellCheck.Among(s_keys, p.Name)}'? Its keys are {string.Join(", ", s_keys)}");
        }
    }

    private static List<(string Name, string Tensor)> NamedSites(string path, JsonElement root)
    {
        var named = Names(path, root, "sites");
        if (named.Count == 0)
        {
            throw new BundleException($"{path} names no sites; give it \"sites\": {{\"blocks.0.hook_resid_pre\": \"TENSOR\", …}}");
        }
        foreach (var (site, _) in named.Where(n => !SiteName().IsMatch(n.Name)))
        {
            throw new BundleException(
                $"{path} names '{site}', which is no site; sites are blocks.<layer>. and one of {string.Join(", ", s_kinds)}");
        }
        return named;
    }

    private static List<(string Hook, string Tensor)> NamedHooks(string path, JsonElement root, List<(string Site, string Tensor)> sites)
    {
        var hooks = Names(path, root, "hooks");
        foreach (var (hook, _) in hooks)
        {
            if (!HookName().IsMatch(hook))
            {
                throw new BundleException(
                    $"{path} names the hook '{hook}'; hooks are named as TransformerLens names them, such as blocks.0.attn.hook_pattern");
            }
            if (sites.Any(s => s.Site == hook))
            {
                throw new BundleException($"{path} names '{hook}' both as a site and as a hook; keep one of them");
            }
        }
        return hooks.ConvertAll(h => (h.Name, h.Tensor));
    }

    private static void Distinct(string path, IEnumerable<(string Key, string Name)> names, string what)
    {
        if (names.GroupBy(n => n.Key).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            throw new BundleException($"{path}: {string.Join(" and ", twice.Select(n => $"'{n.Name}'").Take(2))} {what}; keep one of them");
        }
    }

    private static List<(string Name, string Tensor)> Names(string path, JsonElement root, string key)
    {
        if (!root.TryGetProperty(key, out var names)) return [];
        if (names.ValueKind != JsonValueKind.Object) throw Wrong(path, key, "an object of names and tensors", names);
        var read = names.EnumerateObject().Select(p =>
            (p.Name, Tensor: p.Value.ValueKind == JsonValueKind.String && p.Value.GetString() is { Length: > 0 } tensor ? tensor
                : throw Wrong(path, $"{key}.{p.Name}", "the name of a tensor", p.Value))).ToList();
        if (key == "sites") Distinct(path, read.Select(n => (n.Tensor, n.Name)), "name the same tensor");
        return read;
    }

    private static string? Text(string path, JsonElement root, string key) => !root.TryGetProperty(key, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(path, key, "the name of a tensor", value);

    private static int? Integer(string path, JsonElement root, string key) => !root.TryGetProperty(key, out var value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) && n > 0 ? n
        : throw Wrong(path, key, "a whole number above 0", value);

    private static BundleException Wrong(string path, string key, string wanted, JsonElement value)
    {
        var raw = value.GetRawText().ReplaceLineEndings(" ");
        return new BundleException($"{path}: {key} is {(raw.Length > 80 ? raw[..80] + "…" : raw)} where {wanted} is expected");
    }

    [GeneratedRegex(
        @"^blocks\.(0|[1-9][0-9]{0,4})\.(hook_resid_pre|hook_attn_out|hook_mlp_out|hook_resid_mid|hook_resid_post|attn\.hook_z)$")]
    private static partial Regex SiteName();

    [GeneratedRegex(@"^(blocks\.(0|[1-9][0-9]{0,4})\.)?([a-z0-9_]+\.)*hook_[a-z0-9_]+$")]
    private static partial Regex HookName();
}
