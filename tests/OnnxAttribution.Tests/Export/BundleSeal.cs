using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Tests.Export;

/// <summary>bundle.json made to speak of files as a test has changed them, as a stranger could who wants it to be believed.</summary>
internal static class BundleSeal
{
    public static void Renew(string bundle)
    {
        var path = Path.Combine(bundle, BundleManifest.FileName);
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        foreach (var (name, record) in json["files"]!.AsObject())
        {
            var file = Path.Combine(bundle, name);
            if (!File.Exists(file)) continue;
            (record!["bytes"], record["sha256"], record["xxh128"]) = (new FileInfo(file).Length, BundleFiles.Sha256(file),
                FileSample.Of(file));
        }
        File.WriteAllText(path, json.ToJsonString());
    }

    /// <summary>Changes bundle.json.</summary>
    public static void Edit(string bundle, Action<JsonObject> change)
    {
        var path = Path.Combine(bundle, BundleManifest.FileName);
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        change(json);
        File.WriteAllText(path, json.ToJsonString());
    }
}
