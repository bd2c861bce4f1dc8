using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// Finds every dictionary in a folder and the folders in it, of whatever format, by its files' names:
/// <c>sae_weights.safetensors</c> (SAELens), <c>ae.pt</c> (dictionary_learning), <c>NAME.pt</c> with <c>NAME_cfg.json</c> (Kissane et al.), any other <c>.pt</c> (OpenAI), <c>params.npz</c> (Gemma Scope),
/// <c>sae.safetensors</c> (sparsify). What looks like a dictionary and is none of these is refused by name.
/// </summary>
internal static class DictionaryFinder
{
    private const int MostDepth = 16;

    /// <returns>In the order of their paths. They are the caller's to dispose.</returns>
    /// <exception cref="CheckpointException">No such directory, or one of them cannot be read.</exception>
    public static IReadOnlyList<FoundDictionary> FindAll(string directory)
    {
        if (!Directory.Exists(directory)) throw new CheckpointException(directory, "there is no such directory; give the directory that holds the dictionaries.");
        var found = new List<FoundDictionary>();
        try
        {
            Search(directory, 0, found);
            return found;
        }
        catch
        {
            found.ForEach(d => d.Dispose());
            throw;
        }
    }

    private static void Search(string directory, int depth, List<FoundDictionary> found)
    {
        if (depth > MostDepth) throw new CheckpointException(directory, $"lies more than {MostDepth} folders deep; give a directory nearer to the dictionaries.");
        foreach (var path in Directory.GetFiles(directory).Order(StringComparer.Ordinal))
        {
            if (Open(directory, path) is { } dictionary) found.Add(dictionary);
        }
        foreach (var path in Directory.GetDirectories(directory).Order(StringComparer.Ordinal)) Search(path, depth + 1, found);
    }

    private static FoundDictionary? Open(string directory, string path)
    {
        switch (Path.GetFileName(path))
        {
            case SaeLensDictionary.WeightsFileName:
                var opened = SaeLensDictionary.Open(directory);
                return new FoundDictionary(directory, opened.Config, opened, null);
            case SaeLensDictionary.ConfigFileName when !File.Exists(Path.Combine(directory, SaeLensDictionary.WeightsFileName)) && !File.Exists(Path.Combine(directory, SparsifyFormat.FileName)):
                throw new CheckpointException(Path.Combine(directory, SaeLensDictionary.WeightsFileName), "there is no such file, though a cfg.json lies beside it; download the dictionary again.");
            case GemmaScopeFormat.FileName:
                return Converted(NumpyArchive.Open(path), a => new StateDictionary(path, a.Arrays.ToDictionary(t => t.Key, t => (object?)t.Value)), (state, file) => GemmaScopeFormat.Open(state, file));
            case SparsifyFormat.FileName:
                return Converted(MappedFile.Open(path), Tensors, SparsifyFormat.Open);
            case "final.safetensors":
                throw new CheckpointException(path, "is a dictionary of Llama Scope, which is not read; load it with SAELens and save it from there (save_model).");
            case DictionaryLearningFormat.FileName:
                return Converted(TorchFile.Open(path), Values, DictionaryLearningFormat.Open);
            case var name when name.EndsWith(".pt", StringComparison.Ordinal):
                return Converted(TorchFile.Open(path), Values, File.Exists(AttentionHeadsFormat.ConfigOf(path)) ? AttentionHeadsFormat.Open : Other);
            case var name when name.EndsWith(".safetensors", StringComparison.Ordinal) && File.Exists(Path.Combine(directory, "config.yaml")):
                throw new CheckpointException(path, "is one of circuit-tracer's transcoders; only dictionaries that rebuild their input are read.");
            default:
                return null;
        }
    }

    private static DictionaryConversion Other(StateDictionary state, IDisposable file) => OpenAiFormat.IsLike(state) ? OpenAiFormat.Open(state, file)
        : throw new CheckpointException(state.Path, $"is no dictionary of a format that is known (it has {Some(state)}); formats are SAELens, dictionary_learning (ae.pt), OpenAI, Kissane et al. (with NAME_cfg.json), Gemma Scope and sparsify. Move it elsewhere.");

    private static string Some(StateDictionary state)
    {
        var names = state.Names.Order(StringComparer.Ordinal).Take(4).Select(DisplayText.QuotedName).ToList();
        return names.Count == 0 ? "nothing" : string.Join(", ", names);
    }

    private static StateDictionary Values(TorchFile file) => new(file.Path, file.Values);

    private static StateDictionary Tensors(MappedFile file)
    {
        using var header = SafetensorsFile.Open(file.Path);
        return new StateDictionary(file.Path, header.Tensors.Values.ToDictionary(t => t.Name, t => (object?)new StridedTensor(file, t.Name, t.Type, t.Offset, [.. t.Shape], StridedTensor.RowMajor(t.Shape.AsSpan()))));
    }

    private static FoundDictionary Converted<T>(T file, Func<T, StateDictionary> state, Func<StateDictionary, IDisposable, DictionaryConversion> open) where T : IDisposable
    {
        try
        {
            var conversion = open(state(file), file);
            return new FoundDictionary(conversion.Source, conversion.Config, null, conversion);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
