using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>The page of a batch, or of a dataset: <c>index.html</c> beside its runs or parts, a row a prompt, and the picture of the mean.
/// </summary>
internal static class BatchPage
{
    /// <summary>Its name within the batch.</summary>
    public const string FileName = PromptId.Index;

    // what no other page has
    private const string Mark = "<section id=\"rows\" aria-label=\"Prompts\">";

    // rows beyond it make a page that nobody scrolls through; queries find any
    private const int Most = 1_000;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    /// <summary>The run of the mean of a directory of many prompts' graphs: a batch or a dataset. null: it is neither, or has no mean.
    /// </summary>
    public static string? MeanOf(string directory)
    {
        if (File.Exists(Path.Combine(directory, RunNames.RecordFile))) return null;
        var mean = DatasetNames.Is(directory) ? Path.Combine(directory, RunNames.Mean)
            : MergedRun.Locate(Path.Combine(directory, MergedRun.Name));
        return File.Exists(Path.Combine(mean, RunNames.RecordFile)) && MergedRun.Is(mean) ? mean : null;
    }

    /// <summary>Removes the page where there is one, since it is of runs that are not there any more. A file of somebody else's stays.
    /// </summary>
    /// <exception cref="RunDirectoryException">It cannot be removed.</exception>
    public static void Remove(string batch)
    {
        var file = Path.Combine(batch, FileName);
        try
        {
            if (File.Exists(file) && RegularFile.ReadAllText(file).Contains(Mark, StringComparison.Ordinal)) File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(file, e);
        }
    }

    /// <summary>Writes the page beside its place and renames it when whole; an older one is replaced.</summary>
    /// <param name="batch">The directory that the runs are in, or a dataset.</param>
    /// <param name="file">null: <see cref="FileName"/> in it.</param>
    /// <returns>The file.</returns>
    /// <exception cref="RunDirectoryException">The merged run is damaged, or the page cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static string Write(string batch, string? file = null, CancellationToken cancel = default)
    {
        var merged = MeanOf(batch) ?? throw new ArgumentException($"there is no merged run in {batch}", nameof(batch));
        var picture = RunPicture.Read(merged, new PictureLimits(Edges: PictureLimits.StillEdges), cancel);
        var details = FeatureDetails.Of(picture, null, cancel);
        var place = file ?? Path.Combine(batch, FileName);
        var parts = new Dictionary<string, string>
        {
            ["title"] = WebUtility.HtmlEncode(Title(batch, picture)),
            ["data"] = Json(Content(batch, picture, Path.GetDirectoryName(Path.GetFullPath(place))!, cancel)),
            ["light"] = Address(picture, details, SvgTheme.Light),
            ["dark"] = Address(picture, details, SvgTheme.Dark),
        };
        DrawingFile.Write(place, force: true, output => new PageSkeleton("batch-page").Write(parts, output), cancel);
        return place;
    }

    private static PageBatch Content(string batch, RunPicture merged, string from, CancellationToken cancel)
    {
        var record = (MergedRunRecord)merged.Stored.Record;
        var there = Path.GetRelativePath(from, Path.GetFullPath(batch)).Replace('\\', '/');
        var (rows, all) = DatasetNames.Is(batch) ? OfDataset(batch, cancel)
            : (OfBatch(batch, record, from, cancel), record.Ids?.Count ?? 0);
        var program = string.Create(CultureInfo.InvariantCulture, $"onnx-attribution {merged.Header.Version.Split('+')[0]}");
        return new PageBatch(1, merged.Header.MetricWords, merged.Header.Model, program, PageAddress.Of(merged.Path, from),
            record.KeptNodes, record.Edges, all, AblateLine.Quoted(["onnx-attribution", "query", there, "FROM runs"]), rows);
    }

    // a dataset's is the same wherever its parts are copied or merged to
    private static string Title(string batch, RunPicture mean) => DatasetNames.Is(batch)
        ? $"Dataset of {NumberText.Count(mean.Prompts.Count, "prompt")}"
        : $"Batch {Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(batch)))}";

    private static List<PageBatchRow> OfBatch(string batch, MergedRunRecord merged, string from, CancellationToken cancel)
    {
        var rows = new List<PageBatchRow>();
        foreach (var id in (merged.Ids ?? []).Take(Most))
        {
            cancel.ThrowIfCancellationRequested();
            rows.Add(Row(id, MergedRun.RunOf(batch, id), from));
        }
        return rows;
    }

    // one that was taken away since keeps its row
    private static PageBatchRow Row(string id, (string? Directory, RunRecord? Record) run, string from)
    {
        if (run is not ({ } directory, { } record))
        {
            return new PageBatchRow(id, [], null, null, null, null, null, null, null, null, null, null, "its run is not there any more");
        }
        var header = new PictureHeader(record);
        return new PageBatchRow(id, header.Tokens, null, (record as PromptRunRecord)?.Position, header.Target, header.Foil,
            FiveDigits.OrNull(header.CleanMetric), record.KeptNodes, record.Edges,
            FiveDigits.OrNull(1 - (record as GraphRunRecord)?.ExplainedByFeatures), FiveDigits.OrNull(record.Validation?.Nodes.Pearson),
            PageAddress.Of(directory, from), null);
    }

    private static (List<PageBatchRow> Rows, int All) OfDataset(string dataset, CancellationToken cancel)
    {
        var prompts = DatasetPrompts.Of(dataset, Most, cancel);
        return ([.. (prompts?.First ?? []).Select(p => new PageBatchRow(p.Run, [], p.Prompt ?? "", null, p.Target, p.Foil,
            FiveDigits.OrNull(p.CleanMetric), p.KeptNodes, p.Edges, FiveDigits.OrNull(1 - p.ExplainedByFeatures), null, null, p.Error))],
            prompts?.Count ?? 0);
    }

    private static string Json(PageBatch content)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_options)) JsonSerializer.Serialize(json, content, PageJson.Default.PageBatch);
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private static string Address(RunPicture picture, FeatureDetails details, SvgTheme theme)
    {
        using var text = new StringWriter { NewLine = "\n" };
        GraphSvg.Write(picture, text, theme, details);
        return $"data:image/svg+xml;base64,{Convert.ToBase64String(Encoding.UTF8.GetBytes(text.ToString()))}";
    }
}
