using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>The page of a batch: <c>index.html</c> beside its runs, a row a prompt, and the picture of the merged graph.</summary>
internal static class BatchPage
{
    /// <summary>Its name within the batch.</summary>
    public const string FileName = PromptId.Index;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    /// <summary>Whether a directory holds the runs of a batch, with their mean.</summary>
    public static bool IsBatch(string directory) => Merged(directory) is not null;

    /// <summary>Writes the page beside its place and renames it when whole; an older one is replaced.</summary>
    /// <param name="batch">The directory that the runs are in.</param>
    /// <param name="file">null: <see cref="FileName"/> in it.</param>
    /// <returns>The file.</returns>
    /// <exception cref="RunDirectoryException">The merged run is damaged, or the page cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static string Write(string batch, string? file = null, CancellationToken cancel = default)
    {
        var merged = Merged(batch) ?? throw new ArgumentException($"there is no merged run in {batch}", nameof(batch));
        var picture = RunPicture.Read(merged, new PictureLimits(Edges: PictureLimits.StillEdges), cancel);
        var details = FeatureDetails.Of(picture, null, cancel);
        var place = file ?? Path.Combine(batch, FileName);
        var parts = new Dictionary<string, string>
        {
            ["title"] = WebUtility.HtmlEncode($"Batch {Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(batch)))}"),
            ["data"] = Json(Content(batch, picture, Path.GetDirectoryName(Path.GetFullPath(place))!, cancel)),
            ["light"] = Address(picture, details, SvgTheme.Light),
            ["dark"] = Address(picture, details, SvgTheme.Dark),
        };
        DrawingFile.Write(place, force: true, output => new PageSkeleton("batch-page").Write(parts, output), cancel);
        return place;
    }

    private static string? Merged(string batch)
    {
        var merged = MergedRun.Locate(Path.Combine(batch, MergedRun.Name));
        return File.Exists(Path.Combine(merged, RunNames.RecordFile)) && MergedRun.DatasetOf(merged) is null && MergedRun.Is(merged)
            ? merged : null;
    }

    private static PageBatch Content(string batch, RunPicture merged, string from, CancellationToken cancel)
    {
        var record = (MergedRunRecord)merged.Stored.Record;
        var rows = new List<PageBatchRow>();
        foreach (var id in record.Ids ?? [])
        {
            cancel.ThrowIfCancellationRequested();
            rows.Add(Row(id, batch, from));
        }
        var program = string.Create(CultureInfo.InvariantCulture, $"onnx-attribution {merged.Header.Version.Split('+')[0]}");
        return new PageBatch(1, merged.Header.MetricWords, merged.Header.Model, program, PageAddress.Of(merged.Path, from),
            record.KeptNodes, record.Edges, rows);
    }

    private static PageBatchRow Row(string id, string batch, string from)
    {
        try
        {
            // a name that no prompt has is no place to look at
            if (!PromptId.CanName(id)) throw RunDirectoryException.Missing(batch);
            var directory = Path.Combine(batch, id);
            var record = RunDirectory.ReadRecord(directory);
            var (header, run) = (new PictureHeader(record), record as GraphRunRecord);
            return new PageBatchRow(id, header.Tokens, (record as PromptRunRecord)?.Position, header.Target, header.Foil,
                FiveDigits.OrNull(header.CleanMetric), record.KeptNodes, record.Edges, FiveDigits.OrNull(1 - run?.ExplainedByFeatures),
                FiveDigits.OrNull(record.Validation?.Nodes.Pearson), PageAddress.Of(directory, from));
        }
        catch (RunDirectoryException)
        {
            // taken away since: the row stays, and says nothing
            return new PageBatchRow(id, [], null, null, null, null, null, null, null, null, null);
        }
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
