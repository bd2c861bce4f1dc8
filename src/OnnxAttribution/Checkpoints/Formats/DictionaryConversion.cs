using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>A dictionary of another format than SAELens's, described and ready to be written in SAELens's.
/// Owns the file it is read from; who opens one disposes it.</summary>
internal sealed class DictionaryConversion : IDisposable
{
    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, NewLine = "\n" };

    private readonly IDisposable _file;
    private readonly JsonObject _json;
    private readonly IReadOnlyList<ConvertedTensor> _tensors;

    /// <param name="source">The file with the weights.</param>
    /// <param name="format">Whose format it is.</param>
    /// <param name="config">What cfg.json is to say; of the new layout.</param>
    public DictionaryConversion(string source, string format, IDisposable file, JsonObject config, IReadOnlyList<ConvertedTensor> tensors)
    {
        (Source, Format, _file, _json, _tensors) = (source, format, file, config, tensors);
        Config = DictionaryConfig.Read(ConfigJson.Of(source, config));
    }

    public string Source { get; }

    public string Format { get; }

    public DictionaryConfig Config { get; }

    /// <summary>Writes cfg.json and the weights, each whole or not at all, from blocks of rows.</summary>
    /// <param name="sourceName">What cfg.json calls the source: no path of this machine.</param>
    /// <exception cref="CheckpointException">A weight is NaN or infinite, or the file changed.</exception>
    public void Write(string directory, string sourceName, CancellationToken cancel)
    {
        Directory.CreateDirectory(directory);
        SafetensorsWriter.Write(Path.Combine(directory, SaeLensDictionary.WeightsFileName),
            _tensors.Select(t => t.ToWrite(Source, cancel)));
        var json = _json.DeepClone().AsObject();
        using (var stream = RegularFile.OpenRead(Source))
        {
            json["converted_from"] = new JsonObject
            {
                ["format"] = Format,
                ["file"] = sourceName,
                ["bytes"] = stream.Length,
                ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(stream))
            };
        }
        var path = Path.Combine(directory, SaeLensDictionary.ConfigFileName);
        OutputFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(json.ToJsonString(s_json) + "\n")));
    }

    public void Dispose() => _file.Dispose();
}

/// <summary>What a cfg.json of SAELens 6 says of a converted dictionary, but for what its kind adds.</summary>
internal sealed record ConvertedConfig(DictionaryArchitecture Architecture, long Width, long Features, string Site)
{
    /// <summary>null where the files do not say.</summary>
    public required string? Model { get; init; }
    public required bool PrependBos { get; init; }

    /// <summary>The decoder's bias is taken from the input.</summary>
    public required bool SubtractsBias { get; init; }

    /// <summary>Of a transcoder, the site that it writes; null: it rebuilds what it reads.</summary>
    public string? Output { get; init; }

    /// <summary>Of a transcoder: it has W_skip.</summary>
    public bool HasSkip { get; init; }

    /// <inheritdoc cref="DictionaryConfig.ZeroPositions"/>
    public int ZeroPositions { get; init; }

    public JsonObject ToJson()
    {
        var json = Dictionary();
        if (Output is null) return json;
        json["architecture"] = TranscoderConfig.NameOf(Architecture, HasSkip);
        json["d_out"] = Width;
        json[TranscoderConfig.ZeroKey] = ZeroPositions;
        json["metadata"]!["hook_name_out"] = Output;
        return json;
    }

    private JsonObject Dictionary() => new()
    {
        ["architecture"] = Architecture.Name(),
        ["d_in"] = Width,
        ["d_sae"] = Features,
        ["dtype"] = "float32",
        ["device"] = "cpu",
        ["apply_b_dec_to_input"] = SubtractsBias,
        ["normalize_activations"] = "none",
        ["reshape_activations"] = Site.EndsWith(".attn.hook_z", StringComparison.Ordinal) ? "hook_z" : "none",
        ["metadata"] = new JsonObject
        {
            ["model_name"] = Model,
            ["hook_name"] = Site,
            ["hook_head_index"] = null,
            ["prepend_bos"] = PrependBos,
        },
    };
}
