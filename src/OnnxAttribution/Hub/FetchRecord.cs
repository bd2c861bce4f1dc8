using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>fetch.json: which repositories, at which commit, the files of a folder came from. Written before the first byte
/// comes, so that a further call goes on with the same commit.</summary>
internal sealed partial record FetchRecord(IReadOnlyList<FetchRecord.Repository> Repositories)
{
    public const string FileName = "fetch.json";

    /// <param name="Name">OWNER/NAME.</param>
    /// <param name="Revision">As it was asked for.</param>
    /// <param name="Commit">What that was.</param>
    /// <param name="Release">The release of the table whose dictionaries these are; null: none.</param>
    /// <param name="Folder">Where its files lie, relative to the folder of fetch.json; empty: there.</param>
    internal sealed record Repository(string Name, string Revision, string Commit, string? Release, string Folder,
        IReadOnlyList<RecordedFile> Files);

    /// <param name="Path">Relative to the repository's folder.</param>
    internal sealed record RecordedFile(string Path, long? Bytes, string? Checksum);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, NewLine = "\n",
        RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true)]
    [JsonSerializable(typeof(FetchRecord))]
    private sealed partial class FetchJson : JsonSerializerContext;

    /// <summary>What was written into a folder before; empty where nothing was.</summary>
    /// <exception cref="HubException">There is such a file, and it is no record.</exception>
    public static FetchRecord Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return new FetchRecord([]);
        try
        {
            return JsonSerializer.Deserialize(RegularFile.ReadAllText(path), FetchJson.Default.FetchRecord)!;
        }
        catch (JsonException e)
        {
            throw new HubException($"{path} is not what was written there ({JsonFault.Words(e)}); remove it, or choose another folder", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException($"{path} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
    }

    /// <summary>The record with these repositories; what it had of the same folder is replaced, further files stay.</summary>
    public FetchRecord With(IEnumerable<Repository> repositories)
    {
        var added = repositories.ToList();
        return new FetchRecord([.. Repositories.Where(r => !added.Any(a => a.Folder == r.Folder)), .. added.Select(a =>
            Repositories.FirstOrDefault(r => r.Folder == a.Folder && r.Commit == a.Commit) is { } before
                ? a with { Files = [.. before.Files.Where(f => !a.Files.Any(n => n.Path == f.Path)), .. a.Files] }
                : a)]);
    }

    public void Write(string folder, CancellationToken cancel)
    {
        var path = Path.Combine(folder, FileName);
        var text = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this, FetchJson.Default.FetchRecord) + "\n");
        OutputFile.Write(path, stream => stream.Write(text),
            why => new HubException($"{path} cannot be written: {FileFault.Words(why, "check the path")}", why), cancel);
    }
}
