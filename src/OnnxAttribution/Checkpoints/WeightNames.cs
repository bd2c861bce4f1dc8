using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

// What stands between a model's own names and those in its files:
// 1. programs that wrap modules (torch.compile, data parallelism, FSDP) put their own names in, anywhere: they are passed over;
// 2. what holds the model (a trainer's module) may put one in front;
// 3. a model with a head puts the layout's prefix before all but the head;
// 4. of a tied pair, and of tensors that are one in memory, a file has one;
//    which one is the writer's choice, and the header's metadata may say so.

/// <summary>How a checkpoint's files name the tensors of a model.</summary>
internal sealed class WeightNames
{
    private static readonly string[] s_wrappers =
        ["_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];
    private static readonly string[] s_holders = ["model", "net", "network", "base_model"];

    private readonly CheckpointLayout _layout;
    private readonly IReadOnlyDictionary<string, string> _metadata;
    private readonly Dictionary<string, string> _inFile = [];   // by the name without wrappers
    private readonly string _holder, _prefix;

    /// <param name="path">For messages.</param>
    /// <param name="metadata">May say under which other name a tensor is in the file.</param>
    /// <exception cref="CheckpointException">The names are those of an adapter,
    /// of something that is unknown around the model, or ambiguous.</exception>
    public WeightNames(CheckpointLayout layout, string path, IEnumerable<string> names, IReadOnlyDictionary<string, string> metadata)
    {
        (_layout, _metadata) = (layout, metadata);
        foreach (var name in names)
        {
            if (name.Contains(".lora_", StringComparison.Ordinal) || name.Contains(".base_layer.", StringComparison.Ordinal))
            {
                throw new CheckpointException(path,
                    $"has tensor {DisplayText.QuotedName(name)}, which is part of an adapter; {CheckpointFolder.Merge}.");
            }
            var plain = string.Join('.', name.Split('.').Where(part => !s_wrappers.Contains(part)));
            if (!_inFile.TryAdd(plain, name))
            {
                throw new CheckpointException(path, $"has tensors {DisplayText.QuotedName(_inFile[plain])} and "
                    + $"{DisplayText.QuotedName(name)}, which are one where a wrapped model is unwrapped; save the model alone.");
            }
        }
        (_holder, _prefix) = Before(path);
    }

    /// <summary>What stands before the tensors of a block.</summary>
    public string BeforeBlocks => _holder + _prefix + _layout.Blocks;

    /// <summary>Names without wrappers, and in the file.</summary>
    public IEnumerable<(string Plain, string InFile)> All => _inFile.Select(n => (n.Key, n.Value));

    /// <summary>A tensor's name in the file, or the one that it should have where it is not there.</summary>
    public string Of(string shortName)
    {
        var plain = _holder + (_layout.OfHead.Any(t => t.Name == shortName) ? "" : _prefix) + shortName;
        if (_inFile.TryGetValue(plain, out var name)) return name;
        if (_metadata.TryGetValue(plain, out var kept) && _inFile.ContainsValue(kept)) return kept;
        return shortName == _layout.Tensors[0].Name && _layout.Unembedding is null
            && _inFile.TryGetValue(_holder + _layout.Head, out var head) ? head : plain;
    }

    private (string Holder, string Prefix) Before(string path)
    {
        var anchor = _layout.Tensors.Select(t => t.Name)
            .FirstOrDefault(n => n.StartsWith(_layout.Blocks, StringComparison.Ordinal), _layout.Tensors[0].Name);
        var found = _inFile.Keys.Where(n => n == anchor || n.EndsWith("." + anchor, StringComparison.Ordinal)).MinBy(n => n.Length);
        if (found is null) return ("", _inFile.ContainsKey(_layout.Prefix + _layout.Tensors[0].Name) ? _layout.Prefix : "");
        var before = found[..^anchor.Length];
        var prefix = before == _layout.Prefix || before.EndsWith("." + _layout.Prefix, StringComparison.Ordinal) ? _layout.Prefix : "";
        var holder = before[..^prefix.Length];
        return holder.Split('.', StringSplitOptions.RemoveEmptyEntries).All(part => s_holders.Contains(part)) ? (holder, prefix)
            : throw new CheckpointException(path, $"has tensor {DisplayText.QuotedName(_inFile[found])}, with "
                + $"{DisplayText.QuotedName(holder)} before the names of a {_layout.ModelType}; save the model itself, not what holds it.");
    }
}
