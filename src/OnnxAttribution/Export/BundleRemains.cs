using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>What lies in a directory before an export: an older bundle, of whatever format, and what is not the bundle's.</summary>
internal sealed class BundleRemains
{
    private readonly string _directory;
    private readonly HashSet<string> _listed, _exported;

    private BundleRemains(string directory, bool isBundle, HashSet<string> listed, HashSet<string> exported) =>
        (_directory, IsBundle, _listed, _exported) = (directory, isBundle, listed, exported);

    /// <summary>Whether bundle.json is one of ours.</summary>
    public bool IsBundle { get; }

    /// <summary>What an earlier export put into the directory.</summary>
    public IReadOnlyCollection<string> Exported => _exported;

    public static BundleRemains Of(string directory)
    {
        var path = Path.Combine(directory, BundleManifest.FileName);
        try
        {
            if (!File.Exists(path) || JsonNode.Parse(RegularFile.ReadAllText(path)) is not JsonObject json
                || json["files"] is not JsonObject files || !json.ContainsKey("format_version"))
            {
                return new(directory, false, [], []);
            }
            var exported = json["exported"] is JsonArray names ? names.Select(name => (string?)name ?? "").ToHashSet() : [];
            // of formats before there was such a list, all that only export makes
            if (!json.ContainsKey("exported")) exported.Add(BundleManifest.ProcessedFileName);
            return new(directory, true, [.. files.Select(f => f.Key)], exported);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException or IOException
            or UnauthorizedAccessException)
        {
            return new(directory, false, [], []);
        }
    }

    /// <summary>Whether a file belongs to the older bundle.</summary>
    public bool Lists(string name) => _listed.Contains(name);

    /// <summary>Whether an export wrote a file, though the older bundle may have no use for it any more.</summary>
    public bool Owns(string name) => Lists(name) || _exported.Contains(name);

    /// <summary>Gives what is not the older bundle's a place in the new one's directory too: dashboards, notes, whatever there is.
    /// Nothing is copied where the file system can link.</summary>
    public void CarryOver(string to)
    {
        foreach (var entry in Entries(new DirectoryInfo(_directory)))
        {
            var name = Path.GetRelativePath(_directory, entry.FullName).Replace('\\', '/');
            var place = Path.Combine(to, name);
            if (name == BundleManifest.FileName || Lists(name) || AsideName.PlaceOf(Path.GetFileName(name)) is not null
                || Path.Exists(place))
            {
                continue;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            if (entry.LinkTarget is { } target) File.CreateSymbolicLink(place, target);
            else FileLink.Make(entry.FullName, place);
        }
    }

    /// <summary>Removes from the checkpoint's directory what an earlier export put there and the new bundle does not use.</summary>
    public void RemoveExported(BundleManifest manifest)
    {
        foreach (var name in _exported.Append(BundleManifest.NextGraphFileName)
            .Where(name => BundleFiles.IsInside(name) && !manifest.Files.ContainsKey(name)))
        {
            var path = Path.Combine(_directory, name);
            var folder = Path.GetDirectoryName(path)!;
            // a link in the file's place goes itself; through a link in a folder's place nothing is removed
            if (!File.Exists(path) || BundleFiles.LinkIn(_directory, Path.GetDirectoryName(name)!) is not null) continue;
            try
            {
                FileStep.Remove(path);
                if (folder != _directory && !Directory.EnumerateFileSystemEntries(folder).Any()) Directory.Delete(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // the new bundle is whole without that
            }
        }
    }

    // files and links, wherever these lead
    private static IEnumerable<FileSystemInfo> Entries(DirectoryInfo directory) =>
        directory.EnumerateFileSystemInfos("*", new EnumerationOptions { AttributesToSkip = 0 })
            .SelectMany(entry => entry is DirectoryInfo { LinkTarget: null } folder ? Entries(folder) : [entry]);
}
