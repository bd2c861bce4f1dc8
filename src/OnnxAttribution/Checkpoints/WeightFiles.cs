using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>The weights of a Hugging Face directory: <c>model.safetensors</c>,
/// or the shards that <c>model.safetensors.index.json</c> lists. Owns the files; who opens them disposes this.</summary>
internal sealed class WeightFiles : IDisposable
{
    private readonly Dictionary<string, SafetensorsFile> _owners;
    private readonly IReadOnlyList<SafetensorsFile> _files;

    private WeightFiles(string path, IReadOnlyList<SafetensorsFile> files, Dictionary<string, SafetensorsFile> owners) =>
        (Path, _files, _owners) = (path, files, owners);

    /// <summary>The one file, or the index.</summary>
    public string Path { get; }

    /// <summary>Names of all tensors.</summary>
    public IEnumerable<string> Names => _owners.Keys;

    /// <summary>The files, by their names in the directory; the index is none of them.</summary>
    public IEnumerable<string> FileNames => _files.Select(f => System.IO.Path.GetFileName(f.Path));

    /// <summary>The headers' metadata; where two files have a key, the first one's.</summary>
    public IReadOnlyDictionary<string, string> Metadata =>
        _files.SelectMany(f => f.Metadata).DistinctBy(m => m.Key).ToDictionary(m => m.Key, m => m.Value);

    public bool Has(string tensor) => _owners.ContainsKey(tensor);

    /// <summary>The file that holds a tensor.</summary>
    public SafetensorsFile FileOf(string tensor) => _owners.TryGetValue(tensor, out var file) ? file : throw Lacks(tensor);

    /// <inheritdoc cref="SafetensorsFile.Require"/>
    public TensorEntry Require(string tensor, params ReadOnlySpan<long> shape) => FileOf(tensor).Require(tensor, shape);

    /// <exception cref="CheckpointException">There are no weights, a file is broken, or index and shards disagree.</exception>
    public static WeightFiles Open(string directory)
    {
        var (single, index) = (System.IO.Path.Combine(directory, CheckpointFolder.SingleFile),
            System.IO.Path.Combine(directory, CheckpointFolder.IndexFile));
        if (File.Exists(single))
        {
            var file = SafetensorsFile.Open(single);
            return new WeightFiles(single, [file], file.Tensors.Keys.ToDictionary(t => t, _ => file));
        }
        return File.Exists(index) ? OpenShards(directory, index) : throw CheckpointFolder.NoWeights(directory);
    }

    public void Dispose()
    {
        foreach (var file in _files) file.Dispose();
    }

    private static WeightFiles OpenShards(string directory, string index)
    {
        var map = ConfigJson.Read(index).Object("weight_map")
            ?? throw new CheckpointException(index, "has no key 'weight_map'; download it again.");
        var (files, owners) = (new Dictionary<string, SafetensorsFile>(), new Dictionary<string, SafetensorsFile>());
        try
        {
            foreach (var tensor in map.Keys)
            {
                var name = map.Require(tensor, map.String(tensor));
                if (!files.TryGetValue(name, out var file)) files[name] = file = OpenShard(directory, index, name);
                if (!file.Tensors.ContainsKey(tensor))
                {
                    throw new CheckpointException(file.Path,
                        $"has no tensor {DisplayText.QuotedName(tensor)}, which {CheckpointFolder.IndexFile} says it "
                        + "holds; download both again.");
                }
                owners[tensor] = file;
            }
            if (files.Count == 0) throw new CheckpointException(index, "lists no tensor; download it again.");
            return new WeightFiles(index, [.. files.OrderBy(f => f.Key, StringComparer.Ordinal).Select(f => f.Value)], owners);
        }
        catch
        {
            foreach (var file in files.Values) file.Dispose();
            throw;
        }
    }

    private static SafetensorsFile OpenShard(string directory, string index, string name)
    {
        // a shard lies beside its index: a name that leads elsewhere is no name of a shard
        if (name.Length == 0 || name != System.IO.Path.GetFileName(name) || name is "." or ".." || name.Contains('\\'))
        {
            throw new CheckpointException(index,
                $"names the shard {DisplayText.QuotedName(name)}, which is no file name; download it again.");
        }
        var path = System.IO.Path.Combine(directory, name);
        return File.Exists(path)
            ? SafetensorsFile.Open(path)
            : throw new CheckpointException(directory, $"has no {name}, which {CheckpointFolder.IndexFile} lists; download it.");
    }

    private CheckpointException Lacks(string tensor) =>
        new(Path, $"has no tensor {DisplayText.QuotedName(tensor)}; check that the file is of the expected kind.");
}
