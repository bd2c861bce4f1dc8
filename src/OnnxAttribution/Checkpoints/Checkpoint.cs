using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>The weights of a Hugging Face directory, checked against what its config asks for when it is opened:
/// every tensor's shape; values are not (<see cref="Checks"/>). Owns the files; who opens a checkpoint disposes it.</summary>
internal sealed class Checkpoint : IDisposable
{
    private readonly WeightFiles _files;
    private readonly CheckpointLayout _layout;
    private readonly WeightNames _names;

    private Checkpoint(CheckpointLayout layout, WeightFiles files)
    {
        (_layout, _files) = (layout, files);
        _names = new WeightNames(layout, files.Path, files.Names, files.Metadata);
        foreach (var t in layout.Tensors) RequireFloats(files.Require(_names.Of(t.Name), t.Shape));
        if (layout.Unembedding is { } unembedding)
        {
            var name = _names.Of(unembedding.Name);
            if (!files.Has(name))
            {
                throw new CheckpointException(files.Path, $"has no tensor {DisplayText.QuotedName(name)}; "
                    + "if the embedding serves in its place, config.json has to say so: \"tie_word_embeddings\": true.");
            }
            RequireFloats(files.Require(name, unembedding.Shape));
        }
        if (layout.UnembeddingBias is { } bias) RequireFloats(files.Require(_names.Of(bias.Name), bias.Shape));
        RefuseSurplus();
    }

    /// <summary>The files' names in the directory.</summary>
    public IEnumerable<string> FileNames => _files.FileNames;

    /// <summary>The files' paths.</summary>
    public IEnumerable<string> Paths => _files.FileNames.Select(f => Path.Combine(Path.GetDirectoryName(_files.Path)!, f));

    /// <exception cref="CheckpointException">A file is missing or broken, or the weights are not those of the config.</exception>
    public static Checkpoint Open(string directory, CheckpointLayout layout)
    {
        var files = WeightFiles.Open(directory);
        try
        {
            return new Checkpoint(layout, files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>A tensor by its name without the prefix.</summary>
    /// <returns>The entry, whose <see cref="TensorEntry.Name"/> is its key, and the name of its file.</returns>
    public (TensorEntry Entry, string File) Tensor(string shortName)
    {
        var name = _names.Of(shortName);
        if (!_files.Has(name))
        {
            throw new CheckpointException(_files.Path,
                $"has no tensor {DisplayText.QuotedName(name)}; a {_layout.ModelType} of this config has none of that name.");
        }
        var file = _files.FileOf(name);
        return (file.Tensors[name], Path.GetFileName(file.Path));
    }

    /// <summary>A copy of a tensor as float32, row-major.</summary>
    public float[] ReadFloats(string shortName) => _files.FileOf(_names.Of(shortName)).ReadFloats(_names.Of(shortName));

    /// <summary>What reads every weight once, by the files' names, and passes if all are finite numbers.</summary>
    public IEnumerable<(string FileName, WeightCheck Check)> Checks() =>
        All().GroupBy(_files.FileOf).Select(file => (Path.GetFileName(file.Key.Path), new WeightCheck(file.Key, [.. file])));

    public void Dispose() => _files.Dispose();

    private IEnumerable<string> All() =>
        _layout.Tensors.Concat(_layout.OfHead).Select(t => _names.Of(t.Name)).Distinct();

    // what a block holds beside its weights would change what it computes
    private void RefuseSurplus()
    {
        var known = All().ToHashSet();
        var behind = $"{_names.BeforeBlocks}{_layout.Layers}.";
        foreach (var (plain, name) in _names.All.OrderBy(n => n.InFile, StringComparer.Ordinal))
        {
            if (plain.StartsWith(behind, StringComparison.Ordinal))
            {
                throw new CheckpointException(_files.Path,
                    $"has tensor {DisplayText.QuotedName(name)} but config.json says {_layout.LayersKey} {_layout.Layers}; "
                        + "take the config.json that belongs to it.");
            }

            if (plain.StartsWith(_names.BeforeBlocks, StringComparison.Ordinal) && !known.Contains(name)
                && !_layout.Buffers.Any(b => name.EndsWith(b, StringComparison.Ordinal)))
            {
                throw new CheckpointException(_files.Path,
                    $"has tensor {DisplayText.QuotedName(name)}, which a {_layout.ModelType} of this config does not have; "
                        + "take the config.json that belongs to it.");
            }
        }
    }

    private void RequireFloats(TensorEntry entry)
    {
        if (!entry.Type.IsFloat())
        {
            throw new CheckpointException(_files.FileOf(entry.Name).Path,
                $"tensor {DisplayText.QuotedName(entry.Name)} has type {entry.Type}; "
                + "save the weights as F32, F16, BF16 or F64 (if they are quantized, take the checkpoint that they were made of).");
        }
    }
}
