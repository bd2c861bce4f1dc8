using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>The keys of a JSON config file, read strictly: a value of the wrong kind or out of range is an error that names file and key.
/// A key with the value null counts as missing.</summary>
internal sealed class ConfigJson
{
    /// <summary>No config is longer; what is, was not meant as one.</summary>
    private const long MaxBytes = 16 << 20;

    private readonly JsonElement _object;
    private readonly string _prefix;

    private ConfigJson(string path, JsonElement element, string prefix)
    {
        Path = path;
        _object = element;
        _prefix = prefix;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Reads a file whose root is one JSON object, as Python would (<see cref="PythonJson"/>).</summary>
    /// <exception cref="CheckpointException">The file is missing or is no such JSON.</exception>
    public static ConfigJson Read(string path)
    {
        try
        {
            using var file = RegularFile.OpenRead(path);
            if (file.Length > MaxBytes)
            {
                throw new CheckpointException(path,
                    $"has {file.Length} bytes, too long for a config (at most {MaxBytes}); check the path.");
            }
            LfsPointer.Refuse(path, file);
            var text = new byte[file.Length];
            file.ReadExactly(text);
            using var document = PythonJson.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new CheckpointException(path,
                    $"holds a JSON {document.RootElement.ValueKind}, not an object; check that it is the config.");
            }
            return new ConfigJson(path, document.RootElement.Clone(), "");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw CheckpointException.Missing(path, e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw new CheckpointException(path, $"is not valid JSON ({JsonFault.Words(e)}); download it again.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new CheckpointException(path, $"cannot be read: {FileFault.Words(e, "check the path")}.", e);
        }
    }

    /// <summary>A config that was made here, as if <paramref name="path"/> held it.</summary>
    public static ConfigJson Of(string path, System.Text.Json.Nodes.JsonObject config) =>
        new(path, JsonElement.Parse(config.ToJsonString()), "");

    /// <summary>All keys, in the file's order.</summary>
    public IEnumerable<string> Keys => _object.EnumerateObject().Select(p => p.Name);

    /// <summary>True if the key is there and not null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>Where SAELens has a key about the training: under <c>metadata</c> if it is there, else at the root.</summary>
    public ConfigJson Trained(string key) => Object("metadata") is { } metadata && metadata.Has(key) ? metadata : this;

    /// <summary>The name that a key about the training goes by: its old one where only that is there.</summary>
    public string NameOf(string key, string oldKey) => !Trained(key).Has(key) && Trained(oldKey).Has(oldKey) ? oldKey : key;

    public string? String(string key) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? Text(key, value) : throw Wrong(key, "a string", value);

    public bool? Boolean(string key) => Find(key) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, "true or false", value);

    public int? Integer(string key, int min, int max) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= min && number <= max ? number
        : throw Wrong(key, $"an integer from {min} to {max}", value);

    public double? Number(string key, double min, double max) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= min && number <= max ? number
        : throw Wrong(key, $"a number from {min} to {max}", value);

    public ConfigJson? Object(string key) => Find(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.Object ? new ConfigJson(Path, value, $"{_prefix}{key}.") : throw Wrong(key, "an object", value);

    /// <summary>The texts of a list; none where the key is missing or holds something else.</summary>
    public IEnumerable<string> Strings(string key) =>
        Find(key) is { ValueKind: JsonValueKind.Array } list
            ? list.EnumerateArray().Where(v => v.ValueKind == JsonValueKind.String).Select(v => Text(key, v))
            : [];

    /// <summary>Texts as GPT-Neo's <c>attention_types</c> has them, <c>[[["global", "local"], 6]]</c>: lists of texts, each with how often
    /// it is repeated; none where the key is missing or holds something else.</summary>
    public IEnumerable<string> Repeated(string key)
    {
        if (Find(key) is not { ValueKind: JsonValueKind.Array } list) yield break;
        foreach (var item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Array || item.GetArrayLength() != 2 || item[0].ValueKind != JsonValueKind.Array
                || item[1].ValueKind != JsonValueKind.Number || !item[1].TryGetInt32(out var times) || times > 1024)
            {
                throw Wrong(key, "a list of lists, each with its number,", list);
            }
            for (var i = 0; i < times; i++)
            {
                foreach (var text in item[0].EnumerateArray())
                {
                    yield return text.ValueKind == JsonValueKind.String ? Text(key, text) : throw Wrong(key, "a list of texts", list);
                }
            }
        }
    }

    /// <summary>True if the key holds a boolean; what is read differently as a boolean and as a string asks first.</summary>
    public bool IsBoolean(string key) => Find(key)?.ValueKind is JsonValueKind.True or JsonValueKind.False;

    /// <summary>True if the key says false, or, where a number stands, 0.</summary>
    public bool IsFalse(string key) => Find(key)?.ValueKind == JsonValueKind.False || IsNumber(key, atMost: 0);

    /// <summary>True if the key holds a number up to <paramref name="atMost"/>.</summary>
    public bool IsNumber(string key, double atMost) =>
        Find(key) is { ValueKind: JsonValueKind.Number } value && value.TryGetDouble(out var number) && number <= atMost;

    /// <summary>True if the key holds an empty object or array.</summary>
    public bool IsEmpty(string key) => Find(key) is { } value && value.ValueKind switch
    {
        JsonValueKind.Object => value.GetPropertyCount() == 0,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => false,
    };

    /// <summary>The value, or the error that the key is missing.</summary>
    public T Require<T>(string key, T? value) where T : struct => value ?? throw Missing(key);

    /// <inheritdoc cref="Require{T}(string, T?)"/>
    public string Require(string key, string? value) => value ?? throw Missing(key);

    /// <summary>The error that what a key says is not supported; it names key and value and ends with what would be accepted.</summary>
    public CheckpointException Refuse(string key, string fix) =>
        new(Path, $"{_prefix}{key} is {(Find(key) is { } value ? Raw(value) : "missing")}, which is not supported; {fix}.");

    private CheckpointException Missing(string key) =>
        new(Path, $"has no key '{_prefix}{key}'; check that it is the config that belongs to the weights.");

    private CheckpointException Wrong(string key, string wanted, JsonElement value) =>
        new(Path, $"{_prefix}{key} is {Raw(value)} where {wanted} is expected; check that it is the config that belongs to the weights.");

    private JsonElement? Find(string key) =>
        _object.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private string Text(string key, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException) // bytes that are no UTF-8, or an escaped lone surrogate
        {
            throw new CheckpointException(Path, $"{_prefix}{key} is not valid Unicode; download the file again.");
        }
    }

    private string Raw(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String) return DisplayText.QuotedName(Text("a value", value));
        var raw = value.GetRawText().ReplaceLineEndings(" ");
        return raw.Length > 80 ? $"{raw[..80]}…" : raw;
    }
}
