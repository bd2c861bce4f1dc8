using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.View.Live;

/// <summary>A run's page that runs the model itself: one file that opens from disk, or where the weights are large a folder with
/// index.html and scripts that hold them.</summary>
internal static partial class LivePage
{
    /// <summary>The page in a folder.</summary>
    public const string Index = "index.html";

    // of one file; of a folder, as WebAssembly's memory has 4 GiB, a part of which is the model's own work
    private const long MostInAFile = 60_000_000, MostInAFolder = 3_000_000_000;

    private const string DataMark = "id=\"live-data\"";

    // of a script; a multiple of 3, so that base64 needs no padding
    private const int PartBytes = 24 << 20;

    // of the page without its weights: graph, runtime, script, vocabulary
    private const long Beside = 14_000_000;

    /// <summary>Whether a page of so many bytes of weights fits in one file.</summary>
    public static bool FitsInAFile(LiveModel model) => FileBytes(model) <= MostInAFile;

    /// <summary>Writes the page in one file.</summary>
    /// <exception cref="LivePageException">It is larger than a file may be.</exception>
    /// <exception cref="RunDirectoryException">It exists, or cannot be written.</exception>
    public static void WriteFile(RunPicture picture, FeatureDetails details, LiveModel model, (string Place, bool Force) to,
        CancellationToken cancel)
    {
        if (!FitsInAFile(model)) throw LivePageException.TooLargeForAFile(to.Place, FileBytes(model), MostInAFile);
        var parts = model.WeightParts(PartBytes, cancel).Select(p => Convert.ToBase64String(p)).ToList();
        var live = Live(model, parts.Count, [.. parts.Select((text, i) => Inert($"live-weights-{i}", text))]);
        DrawingFile.Write(to.Place, to.Force, output => GraphPage.Write(picture, details, to.Place, output, live), cancel);
    }

    /// <summary>Writes the page as a folder: index.html, and scripts that hold the weights.</summary>
    /// <exception cref="LivePageException">A browser does not hold the model.</exception>
    /// <exception cref="RunDirectoryException">The folder exists and is no live page, or not to be replaced, or cannot be written.
    /// </exception>
    public static void WriteFolder(RunPicture picture, FeatureDetails details, LiveModel model, (string Place, bool Force) to,
        CancellationToken cancel)
    {
        var folder = Path.GetFullPath(to.Place);
        RequireFree(folder, to.Force);
        if (model.WeightBytes + model.Graph.Length is var bytes && bytes > MostInAFolder)
        {
            throw LivePageException.TooLarge(bytes, MostInAFolder);
        }
        try
        {
            using var output = new OutputDirectory(Path.TrimEndingDirectorySeparator(folder));
            Fill(picture, details, model, (output.Aside, folder), cancel);
            output.Commit();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(folder, e);
        }
    }

    private static void RequireFree(string folder, bool force)
    {
        if (File.Exists(folder)) throw RunDirectoryException.FileExists(folder);
        if (!Directory.Exists(folder) || !Directory.EnumerateFileSystemEntries(folder).Any()) return;
        var isOne = Directory.EnumerateFileSystemEntries(folder).Select(Path.GetFileName).All(n => n == Index || WeightsName().IsMatch(n!))
            && Path.Combine(folder, Index) is var index && File.Exists(index)
            && RegularFile.ReadAllText(index).Contains(DataMark, StringComparison.Ordinal);
        if (!isOne) throw RunDirectoryException.NotARun(folder, "it holds other files than a live page");
        if (!force) throw RunDirectoryException.FileExists(folder);
    }

    [GeneratedRegex(@"^weights-\d{3,}\.js$")]
    private static partial Regex WeightsName();

    private static void Fill(RunPicture picture, FeatureDetails details, LiveModel model, (string Aside, string Final) folder,
        CancellationToken cancel)
    {
        var parts = 0;
        foreach (var part in model.WeightParts(PartBytes, cancel))
        {
            // the page runs them one after the other
            File.WriteAllText(Path.Combine(folder.Aside, $"weights-{parts++:000}.js"),
                $"document.currentScript.textContent=\"{Convert.ToBase64String(part)}\"");
        }
        var live = Live(model, parts, []) with { IsFolder = true };
        DrawingFile.Write(Path.Combine(folder.Aside, Index), force: false,
            output => GraphPage.Write(picture, details, Path.Combine(folder.Final, Index), output, live), cancel);
    }

    private static long FileBytes(LiveModel model) => ((model.WeightBytes + model.Graph.Length) * 4 / 3) + Beside;

    private static LiveParts Live(LiveModel model, int parts, IReadOnlyList<string> weights) => new([
        Inert("live-runtime", Convert.ToBase64String(PageSkeleton.Bytes("live-runtime.wasm.gz"))),
        Inert("live-model", Convert.ToBase64String(model.Graph)),
        .. weights,
        $"<script type=\"application/json\" {DataMark}>{Json(model.InParts(parts))}</script>"]);

    private static string Inert(string id, string base64) => $"<script type=\"text/plain\" id=\"{id}\">{base64}</script>";

    private static string Json(LiveContent content)
    {
        using var stream = new MemoryStream();
        // every < is escaped
        using (var json = new Utf8JsonWriter(stream, new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) }))
        {
            JsonSerializer.Serialize(json, content, LiveJson.Default.LiveContent);
        }
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
