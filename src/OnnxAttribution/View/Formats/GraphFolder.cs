using System.Globalization;
using System.Text.Json;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Formats;

/// <summary>What was written into a folder of graphs.</summary>
/// <param name="Features">How many features have a file.</param>
/// <param name="Graphs">How many graphs the folder lists now.</param>
internal sealed record GraphFolderSummary(int Features, int Graphs);

/// <summary>
/// A folder of graphs as circuit-tracer's page is given it (<c>circuit-tracer start-server --graph_file_dir</c>), and with what it asks for
/// of features, so that it needs no network. It holds
/// 1. <c>features/SLUG/N.json</c>, one for each drawn feature, N pairing layer and feature: the graph's <c>scan</c> leads there;
/// 2. <c>SLUG.json</c>, the graph;
/// 3. <c>graph-metadata.json</c>, the list of the folder's graphs, which keeps what others have put there.
/// They are written in this order, each whole or not at all; writers of one folder take turns.
/// </summary>
/// <remarks>github.com/safety-research/circuit-tracer circuit_tracer/frontend/local_server.py,
/// assets/feature_examples/init-feature-examples.js.</remarks>
internal sealed class GraphFolder
{
    /// <summary>The list of a folder's graphs.</summary>
    public const string ListName = "graph-metadata.json";

    private const string FeatureFolder = "features", Graphs = "graphs";

    private static readonly JsonWriterOptions s_indented = new() { Encoder = GraphJson.Encoder, Indented = true };

    private readonly string _directory;
    private readonly bool _force;

    /// <param name="directory">Made where missing.</param>
    /// <param name="slug">The graph's name in it.</param>
    public GraphFolder(string directory, string slug, bool force) => (_directory, Slug, _force) = (directory, slug, force);

    public string Slug { get; }

    /// <summary>The graph.</summary>
    public string GraphPath => Path.Combine(_directory, $"{Slug}.json");

    /// <summary>The files of its features.</summary>
    public string FeaturesPath => Path.Combine(_directory, FeatureFolder, Slug);

    /// <summary>The list.</summary>
    public string ListPath => Path.Combine(_directory, ListName);

    // as the page is served, the folder is /data
    private string Scan => $"./data/{FeatureFolder}/{Slug}";

    /// <summary>Refuses what <see cref="Write"/> would refuse. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">A graph of that name is there and is not to be replaced, its files would lie where
    /// something else does, or the list is none.</exception>
    public void RequireFree()
    {
        if (File.Exists(_directory))
        {
            throw Unwritable(_directory, new NotAFileException(_directory, "it is a file, not a folder; name another"));
        }
        if (RunAbove() is { } run) throw RunDirectoryException.InARun(_directory, run);
        if (Path.GetFileName(GraphPath) is ListName or RunNames.RecordFile) throw RunDirectoryException.NoGraphsName(GraphPath);
        new ResultFile(ListPath, Force: true) { Example = ListName }.RequireFree();
        if (!_force && (File.Exists(GraphPath) || Directory.Exists(FeaturesPath)))
        {
            throw RunDirectoryException.GraphExists(Slug, _directory);
        }
        new ResultFile(GraphPath, _force) { Example = "graph.json" }.RequireFree();
        var foreign = Directory.Exists(FeaturesPath)
            ? Directory.EnumerateFileSystemEntries(FeaturesPath).FirstOrDefault(entry => !IsFeatureFile(entry))
            : null;
        if (foreign is not null) throw RunDirectoryException.NoFeatureFile(foreign);
        Listed();
    }

    /// <summary>Writes the graph, its features' files, and its entry in the list.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; the graph is not listed.</exception>
    /// <inheritdoc cref="RequireFree" path="/exception"/>
    public GraphFolderSummary Write(RunPicture picture, FeatureDetails details, CancellationToken cancel)
    {
        RequireFree();
        // held until the end: nobody else adds to the list meanwhile
        using var list = new OutputFile(ListPath, why => Unwritable(ListPath, why), cancel);
        var parts = new GraphJsonParts { Slug = Slug, Scan = Scan, Details = details };
        var features = WriteFeatures(picture, details, cancel);
        DrawingFile.WriteBytes(GraphPath, _force, output => GraphJson.Write(picture, output, parts), cancel);
        var before = Listed();
        var graphs = With(GraphJson.Metadata(picture, parts), before);
        list.Fill(output => WriteList(output, before, graphs));
        cancel.ThrowIfCancellationRequested();
        list.Commit();
        return new GraphFolderSummary(features, graphs.Count);
    }

    private int WriteFeatures(RunPicture picture, FeatureDetails details, CancellationToken cancel)
    {
        try
        {
            using var output = new OutputDirectory(Path.GetFullPath(FeaturesPath));
            var ids = new ViewerIds(picture);
            var written = 0;
            foreach (var node in picture.Nodes.Where(n => !n.IsMetric && !n.IsError && !n.IsToken)
                .DistinctBy(n => (n.Site!.Name, n.Feature)))
            {
                cancel.ThrowIfCancellationRequested();
                var name = string.Create(CultureInfo.InvariantCulture, $"{ids.FeatureNumber(node)}.json");
                using var file = File.Create(Path.Combine(output.Aside, name));
                using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Encoder = GraphJson.Encoder });
                FeatureJson.Write(json, node, picture.Header.NeuronpediaId(node.Site!.Name) ?? node.Site.Name, details);
                written++;
            }
            output.Commit();
            return written;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(FeaturesPath, e);
        }
    }

    // a run with other files in it could not be replaced any more
    private string? RunAbove()
    {
        for (var above = Path.GetFullPath(_directory); above is not null; above = Path.GetDirectoryName(above))
        {
            if (PendingRun.IsRun(above)) return above;
        }
        return null;
    }

    // the list as it stands; one of nothing where there is none
    private JsonElement Listed()
    {
        if (!File.Exists(ListPath)) return Parsed("{\"graphs\":[]}"u8.ToArray());
        try
        {
            var root = Parsed(RegularFile.ReadAllBytes(ListPath));
            return root.ValueKind == JsonValueKind.Object && root.TryGetProperty(Graphs, out var graphs)
                && graphs.ValueKind == JsonValueKind.Array && graphs.EnumerateArray().All(g => g.ValueKind == JsonValueKind.Object)
                ? root : throw RunDirectoryException.NoGraphList(ListPath, "it holds no list of graphs");
        }
        catch (JsonException e)
        {
            throw RunDirectoryException.NoGraphList(ListPath, JsonFault.Words(e), e);
        }
        catch (InvalidOperationException e)   // of a key
        {
            throw RunDirectoryException.NoGraphList(ListPath, JsonFault.NoUnicode, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(ListPath, e);
        }
    }

    private static JsonElement Parsed(byte[] text)
    {
        using var document = PythonJson.Parse(text);
        return document.RootElement.Clone();
    }

    // a graph of that name is replaced where it stands
    private List<JsonElement> With(JsonElement own, JsonElement list)
    {
        var graphs = list.GetProperty(Graphs).EnumerateArray().Select(g => IsThis(g) ? own : g).ToList();
        if (!list.GetProperty(Graphs).EnumerateArray().Any(IsThis)) graphs.Add(own);
        return graphs;
    }

    private static void WriteList(Stream output, JsonElement list, IReadOnlyList<JsonElement> graphs)
    {
        using var json = new Utf8JsonWriter(output, s_indented);
        json.WriteStartObject();
        json.WriteStartArray(Graphs);
        foreach (var graph in graphs) graph.WriteTo(json);
        json.WriteEndArray();
        foreach (var other in list.EnumerateObject().Where(p => !p.NameEquals(Graphs))) other.WriteTo(json);
        json.WriteEndObject();
    }

    private bool IsThis(JsonElement graph) => graph.TryGetProperty("slug", out var slug) && slug.ValueKind == JsonValueKind.String
        && slug.ValueEquals(Slug);

    private static bool IsFeatureFile(string path) =>
        Path.GetFileName(path) is [.. { Length: > 0 } number, '.', 'j', 's', 'o', 'n'] && number.All(char.IsAsciiDigit)
            && !Directory.Exists(path);

    private static RunDirectoryException Unwritable(string path, Exception why) => RunDirectoryException.Unwritable(path, why);
}
