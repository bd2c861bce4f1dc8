using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// Which format a file is of, by its name and what lies beside it: <c>sae_weights.safetensors</c> (SAELens, Llama Scope's distilled),
/// <c>ae.pt</c> (dictionary_learning), <c>NAME.pt</c> with <c>NAME_cfg.json</c> (Kissane et al.), <c>params.npz</c> (Gemma Scope),
/// <c>params.safetensors</c> (Gemma Scope 2), <c>checkpoints/final.safetensors</c> (Llama Scope), <c>layerN.sae.pt</c> (Qwen-Scope),
/// <c>sae.safetensors</c> (sparsify), <c>layer_N.safetensors</c> and <c>W_enc_N.safetensors</c> with <c>config.yaml</c> (circuit-tracer);
/// any other <c>.pt</c> and <c>.pth</c> by what it holds (OpenAI, Goodfire, qresearch).
/// </summary>
internal sealed class DictionaryFormats(Action<string> passOver)
{
    private const string Known = "formats are SAELens, dictionary_learning (ae.pt), OpenAI, Kissane et al. "
        + "(with NAME_cfg.json), Gemma Scope, Llama Scope, Qwen-Scope, sparsify and circuit-tracer (with config.yaml)";

    /// <returns>null: it is no dictionary, which was said where it looked like one.</returns>
    /// <exception cref="CheckpointException">It is one and is broken, or is not read.</exception>
    public FoundDictionary? Open(string directory, string path)
    {
        bool Beside(string name) => File.Exists(Path.Combine(directory, name));
        switch (Path.GetFileName(path))
        {
            case SaeLensDictionary.WeightsFileName
                when !Beside(SaeLensDictionary.ConfigFileName) && Beside(LlamaScopeFormat.DistilledConfigFileName):
                return OfSafetensors(path, LlamaScopeFormat.OpenDistilled);
            case SaeLensDictionary.WeightsFileName:
                var opened = SaeLensDictionary.Open(directory);
                return new FoundDictionary(directory, opened.Config, opened, null);
            case SaeLensDictionary.ConfigFileName when !Beside(SaeLensDictionary.WeightsFileName) && !Beside(SparsifyFormat.FileName):
                return WithoutWeights(directory, path);
            case GemmaScopeFormat.FileName:
                return Converted(NumpyArchive.Open(path),
                    a => new StateDictionary(path, a.Arrays.ToDictionary(t => t.Key, t => (object?)t.Value)), GemmaScopeFormat.Open);
            case GemmaScope2Format.FileName when Beside(GemmaScope2Format.ConfigFileName):
                return OfSafetensors(path, GemmaScope2Format.Open);
            case SparsifyFormat.FileName:
                return OfSafetensors(path, SparsifyFormat.Open);
            case LlamaScopeFormat.FileName when File.Exists(LlamaScopeFormat.ConfigOf(path)):
                return OfSafetensors(path, LlamaScopeFormat.Open);
            case LlamaScopeFormat.FileName:
                return PassOver(path,
                    $"is a dictionary of Llama Scope if {LlamaScopeFormat.ConfigFileName} lies in the folder above it, and it does not");
            case DictionaryLearningFormat.FileName:
                return Converted(TorchFile.Open(path), Values, DictionaryLearningFormat.Open);
            case var name when name.EndsWith(".pt", StringComparison.Ordinal) && File.Exists(AttentionHeadsFormat.ConfigOf(path)):
                return Converted(TorchFile.Open(path), Values, AttentionHeadsFormat.Open);
            case var name when QwenScopeFormat.IsName(name):
                return Converted(TorchFile.Open(path), Values, QwenScopeFormat.Open);
            case var name when name.EndsWith(".pt", StringComparison.Ordinal) || name.EndsWith(".pth", StringComparison.Ordinal):
                return OfContents(path);
            case var name when CircuitTracerFormat.IsName(name):
                return OfCircuitTracer(path, hasConfig: Beside(CircuitTracerFormat.ConfigFileName));
            default:
                return null;
        }
    }

    // only a cfg.json that is SAELens's has lost its weights
    private FoundDictionary? WithoutWeights(string directory, string path)
    {
        try
        {
            var json = ConfigJson.Read(path);
            if (!json.Has("d_in") || !json.Has("d_sae"))
            {
                return PassOver(path, $"there is no {SaeLensDictionary.WeightsFileName} beside it, and it is no config of a dictionary");
            }
        }
        catch (CheckpointException e)
        {
            passOver(e.Message);
            return null;
        }
        throw new CheckpointException(Path.Combine(directory, SaeLensDictionary.WeightsFileName),
            "there is no such file, though a cfg.json lies beside it; download the dictionary again.");
    }

    // anything may be in a .pt
    private FoundDictionary? OfContents(string path)
    {
        TorchFile file;
        try
        {
            file = TorchFile.Open(path);
        }
        catch (CheckpointException e) when (!OpenAiFormat.IsPlace(path))
        {
            passOver(e.Message);
            return null;
        }
        var state = Values(file);
        if (OpenAiFormat.IsLike(state) || OpenAiFormat.IsPlace(path)) return Converted(file, _ => state, OpenAiFormat.Open);
        if (LinearPairFormat.IsLike(state)) return Converted(file, _ => state, LinearPairFormat.Open);
        using (file)
        {
            if (state.Names.Any(n => n.EndsWith(".encoder.0.weight", StringComparison.Ordinal)))
            {
                return PassOver(path, "is one of Apollo Research's end-to-end dictionaries, which are not read; "
                    + "load it with their e2e_sae and save it in SAELens's layout (cfg.json, sae_weights.safetensors)");
            }
            return state.HasMatrix ? PassOver(path, $"is no dictionary of a format that is known (it has {Some(state)}); {Known}") : null;
        }
    }

    private FoundDictionary? PassOver(string path, string why)
    {
        passOver($"{path}: {why}.");
        return null;
    }

    private static string Some(StateDictionary state)
    {
        var names = state.Names.Order(StringComparer.Ordinal).Take(4).Select(DisplayText.QuotedName).ToList();
        return names.Count == 0 ? "nothing" : string.Join(", ", names);
    }

    private static StateDictionary Values(TorchFile file) => new(file.Path, file.Values);

    private FoundDictionary? OfCircuitTracer(string path, bool hasConfig) =>
        !hasConfig ? PassOver(path, "is one of circuit-tracer's transcoders if config.yaml lies beside it, and it does not")
        : CircuitTracerFormat.DecoderOf(path) is { } decoder ? OfCrossLayer(path, decoder)
        : OfSafetensors(path, CircuitTracerFormat.Open);

    private static FoundDictionary OfCrossLayer(string path, string decoder)
    {
        var layers = CircuitTracerFormat.LayersOf(path);
        var second = MappedFile.Open(decoder);
        return Converted(new TwoFiles(MappedFile.Open(path), second), files => Tensors(files.First),
            (state, files) => CircuitTracerFormat.OpenCrossLayer(state, Tensors(second), layers, files));
    }

    private sealed record TwoFiles(MappedFile First, MappedFile Second) : IDisposable
    {
        public void Dispose()
        {
            First.Dispose();
            Second.Dispose();
        }
    }

    private static FoundDictionary OfSafetensors(string path, Func<StateDictionary, IDisposable, DictionaryConversion> open) =>
        Converted(MappedFile.Open(path), Tensors, open);

    private static StateDictionary Tensors(MappedFile file)
    {
        using var header = SafetensorsFile.Open(file.Path);
        return new StateDictionary(file.Path, header.Tensors.Values.ToDictionary(t => t.Name,
            t => (object?)new StridedTensor(file, t.Name, t.Type, t.Offset, [.. t.Shape], StridedTensor.RowMajor(t.Shape.AsSpan()))));
    }

    private static FoundDictionary Converted<T>(T file, Func<T, StateDictionary> state,
        Func<StateDictionary, IDisposable, DictionaryConversion> open) where T : IDisposable
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
