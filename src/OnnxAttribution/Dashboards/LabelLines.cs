using System.IO.Compression;
using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Dashboards;

/// <summary>A label as a file has it: which feature is meant is not looked up yet.</summary>
/// <param name="Place">File and line, for messages.</param>
/// <param name="Site">A site's name, short or long; null where <paramref name="Source"/> or <paramref name="Layer"/> says it.</param>
/// <param name="Source">Model and source on Neuronpedia, as <c>gpt2-small/6-res-jb</c>.</param>
/// <param name="Layer">A layer of circuit-tracer's, which has one dictionary a layer.</param>
/// <param name="By">Who made it; empty where the file does not say.</param>
internal sealed record LabelLine(string Place, string? Site, string? Source, int? Layer, int Feature, string Label, string By);

/// <summary>
/// Reads files of labels, plain or gzip: Neuronpedia's explanations (JSON lines with <c>modelId, layer, index, description</c>), lines of
/// one's own (<c>site, feature, label</c>), circuit-tracer's files of one feature (<c>layer, index, label</c> or <c>clerp</c>) and its
/// graphs (<c>nodes</c> with <c>clerp</c>).
/// </summary>
internal static class LabelLines
{
    private const int MostLabel = 2000, MostFile = 1 << 30;
    private const string Known = "Neuronpedia's explanations have modelId, layer, index and description, one's own lines site, feature and "
        + "label, circuit-tracer's files layer, index and label";

    /// <summary>All labels of a file; a line without one is passed over.</summary>
    /// <exception cref="DashboardException">The file cannot be read, or a line is of no format that is known.</exception>
    public static IEnumerable<LabelLine> Read(string file)
    {
        var text = Text(file);
        if (IsOneObject(text))
        {
            foreach (var label in OfObject(file, text)) yield return label;
            yield break;
        }
        var (number, from) = (0, 0);
        while (from < text.Length)
        {
            var end = text.AsSpan(from).IndexOf((byte)'\n') is var at and >= 0 ? from + at : text.Length;
            var line = text.AsMemory(from, end - from);
            (from, number) = (end + 1, number + 1);
            if (line.Span.Trim(" \r\t"u8).IsEmpty) continue;
            var place = $"{file}:{number}";
            using var document = Parsed(place, line);
            if (OfLine(place, document.RootElement) is { } label) yield return label;
        }
    }

    private static byte[] Text(string file)
    {
        try
        {
            using var stream = RegularFile.OpenRead(file);
            using var plain = IsGzip(stream) ? new GZipStream(stream, CompressionMode.Decompress) : (Stream)stream;
            using var text = new MemoryStream();
            var buffer = new byte[1 << 16];
            while (plain.Read(buffer) is var count and > 0)
            {
                if (text.Length + count > MostFile)
                {
                    throw new DashboardException($"{file} is longer than any file of labels; check the path");
                }
                text.Write(buffer, 0, count);
            }
            var bytes = text.ToArray();
            return bytes.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? bytes[3..] : bytes;
        }
        catch (InvalidDataException e)
        {
            throw new DashboardException($"{file} is not the gzip file that it begins as; download it again", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DashboardException($"{file} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
    }

    private static bool IsGzip(FileStream stream)
    {
        Span<byte> start = stackalloc byte[2];
        var is2 = stream.ReadAtLeast(start, 2, throwOnEndOfStream: false) == 2;
        stream.Position = 0;
        return is2 && start is [0x1F, 0x8B];
    }

    // one JSON object over several lines, or the only line of its file that is a graph or a feature
    private static bool IsOneObject(byte[] text)
    {
        var reader = new Utf8JsonReader(text);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return false;
            reader.Skip();
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static IEnumerable<LabelLine> OfObject(string file, byte[] text)
    {
        using var document = Parsed(file, text);
        var root = document.RootElement;
        if (!root.TryGetProperty("nodes", out var nodes) || nodes.ValueKind != JsonValueKind.Array)
        {
            if (OfLine(file, root) is { } label) yield return label;
            yield break;
        }
        foreach (var (i, node) in nodes.EnumerateArray().Index())
        {
            // in a graph of this program's clerp is the node's name
            var said = node.ValueKind == JsonValueKind.Object && node.TryGetProperty("feature_index", out _) ? "feature_label" : "clerp";
            if (Text(node, "feature_type") is not "cross layer transcoder" || Text(node, said) is not { Length: > 0 } clerp) continue;
            if (Text(node, "node_id")?.Split('_') is not [var layer, var feature, _] || !int.TryParse(layer, out var l)
                || !int.TryParse(feature, out var f))
            {
                continue;
            }
            yield return Checked(new LabelLine($"{file}, node {i}", Text(node, "site"), null, l, f, clerp, "a graph"));
        }
    }

    private static LabelLine? OfLine(string place, JsonElement line)
    {
        if (line.ValueKind == JsonValueKind.Object)
        {
            var label = Text(line, "label") ?? Text(line, "description") ?? Text(line, "clerp");
            var source = Text(line, "modelId") is { } model && Text(line, "layer") is { } layer ? $"{model}/{layer}" : null;
            var feature = Number(line, "feature") ?? Number(line, "index");
            var site = Text(line, "site");
            var number = source is null && site is null ? Number(line, "layer") : null;
            if (feature is { } f && (site is not null || source is not null || number is not null)
                && (label is not null || line.TryGetProperty("description", out _)))
            {
                var by = Text(line, "explanationModelName") is { Length: > 0 } name ? name : Text(line, "source") ?? "";
                return string.IsNullOrWhiteSpace(label) ? null
                    : Checked(new LabelLine(place, site, source, number, f, label.Trim(), by));
            }
        }
        throw new DashboardException($"{place} is no label: {Known}");
    }

    private static LabelLine Checked(LabelLine line) => line.Label.Length <= MostLabel ? line
        : throw new DashboardException($"{line.Place} has a label of {line.Label.Length:N0} characters; shorten it to {MostLabel:N0}");

    private static JsonDocument Parsed(string place, ReadOnlyMemory<byte> text)
    {
        try
        {
            return PythonJson.Parse(text);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new DashboardException($"{place} is not valid JSON ({JsonFault.Words(e)}); labels come as JSON lines", e);
        }
    }

    private static string? Text(JsonElement of, string key) =>
        of.ValueKind == JsonValueKind.Object && of.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    // Neuronpedia writes indices as texts
    private static int? Number(JsonElement of, string key) => !of.TryGetProperty(key, out var value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number
        : value.ValueKind == JsonValueKind.String && int.TryParse(value.GetString(), out var text) ? text : null;
}
