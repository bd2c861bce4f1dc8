using System.Collections.Frozen;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>run.json: the record, and the object that it lies in the file as. What is added to a run later changes no other key.</summary>
internal sealed class RunFile
{
    private static readonly JsonDocumentOptions s_strict = new() { AllowDuplicateProperties = false };

    /// <summary>What tells one execution of a command from the next, and not one result from another:
    /// it stays in run.json, so that the same command writes the same Parquet bytes.</summary>
    private static readonly FrozenSet<string> s_ofExecution = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "seconds", "runtime_calls", "operations", "peak_memory_bytes", "model_path", "device", "threads", "command_line", "finished_at");

    private readonly JsonObject _json;

    private RunFile(JsonObject json, RunRecord record) => (_json, Record) = (json, record);

    public RunRecord Record { get; }

    /// <summary>The texts, numbers and booleans at the top, in the order of the file.</summary>
    public IEnumerable<KeyValuePair<string, JsonNode?>> Scalars => _json.Where(key => RunJson.Text(key.Value) is not null);

    /// <summary>The scalars that belong into a Parquet file of the run, as texts.</summary>
    public IEnumerable<(string Name, string Text)> Metadata => MetadataOf(_json);

    public static RunFile Of(RunRecord record) => new(RunJson.ToObject(record), record);

    /// <exception cref="RunDirectoryException">The file is missing, unreadable,
    /// no JSON object, or a value in it is not what it has to be.</exception>
    public static RunFile Read(string file)
    {
        var text = "";
        try
        {
            text = RegularFile.ReadAllText(file);
            var json = JsonNode.Parse(text, documentOptions: s_strict) as JsonObject
                ?? throw RunDirectoryException.Corrupt(file, "it holds no JSON object");
            return new RunFile(json, RecordOf(file, json));
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.Corrupt(file, JsonFault.IsTwice(e) ? $"a key is there twice, '{JsonFault.KeyTwice(text)}'"
                : JsonFault.IsTooDeep(e) ? JsonFault.Words(e)
                : $"it is not JSON, at line {e.LineNumber + 1}", e);
        }
        catch (InvalidOperationException e)   // of a key; of a value RunShape names the key
        {
            throw RunDirectoryException.Corrupt(file, JsonFault.NoUnicode, e);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            var directory = Path.GetDirectoryName(file)!;
            if (DatasetNames.Is(directory)) throw RunDirectoryException.OfDataset(directory);
            throw RunsBelow(directory) is { Count: > 0 } runs
                ? RunDirectoryException.OfMany(directory, runs)
                : RunDirectoryException.Missing(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    /// <summary>With keys set or replaced; all others are as they were, those that this version does not know included.</summary>
    public RunFile With(RunAddition addition)
    {
        var json = _json.DeepClone().AsObject();
        foreach (var (key, value) in JsonSerializer.SerializeToNode(addition, RunJson.Default.RunAddition)!.AsObject())
        {
            json[key] = value?.DeepClone();
        }
        return new RunFile(json, RunJson.ToRecord(json));
    }

    public void Write(string file) => File.WriteAllText(file, RunJson.Written(_json));

    /// <summary>Whether two are of one execution: what is added to a run later changes none of these.</summary>
    public static bool IsSameRun(RunRecord one, RunRecord other) =>
        (one.CommandLine, one.FinishedAt, (one as PromptRunRecord)?.Prompt)
            == (other.CommandLine, other.FinishedAt, (other as PromptRunRecord)?.Prompt);

    /// <summary>Key-value metadata of a table that is no run's.</summary>
    public static IEnumerable<(string Name, string Text)> MetadataOf<T>(T record, JsonTypeInfo<T> type) =>
        MetadataOf(JsonSerializer.SerializeToNode(record, type)!.AsObject());

    private static IEnumerable<(string Name, string Text)> MetadataOf(JsonObject json)
    {
        foreach (var (name, node) in json)
        {
            if (!s_ofExecution.Contains(name) && RunJson.Text(node) is { } text) yield return (name, text);
        }
    }

    private static RunRecord RecordOf(string file, JsonObject json)
    {
        if (RunShape.Fault(json, RunJson.TypeOf(json)) is { } fault) throw RunDirectoryException.Corrupt(file, fault);
        try
        {
            return RunJson.ToRecord(json);
        }
        catch (JsonException e)   // of a converter
        {
            throw RunDirectoryException.Corrupt(file, $"'{e.Path?.TrimStart('$', '.')}' is not what belongs there", e);
        }
    }

    // the directory of a batch was named, which holds runs and is none
    private static IReadOnlyList<string> RunsBelow(string path) =>
        !Directory.Exists(path) ? [] : [.. Directory.EnumerateDirectories(path)
            .Where(run => !Path.GetFileName(run).StartsWith('.'))
            .Where(run => File.Exists(Path.Combine(run, RunNames.RecordFile))
                || File.Exists(Path.Combine(run, RunNames.Mean, RunNames.RecordFile)))
            .Order(StringComparer.Ordinal)];
}
