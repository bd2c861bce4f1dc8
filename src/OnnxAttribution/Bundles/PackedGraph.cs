using Google.Protobuf;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Bundles;

/// <summary>A graph to be run elsewhere: its .onnx file, and one file of the weights that it needs of the bundle's, one behind the other.
/// </summary>
internal sealed class PackedGraph
{
    private const int Alignment = 64;

    private readonly string _folder;
    private readonly List<(ExternalData From, long To)> _pieces = [];

    private PackedGraph(string folder) => _folder = folder;

    /// <summary>The .onnx file, which takes its weights from a file named <see cref="WeightsName"/>.</summary>
    public byte[] Model { get; private set; } = [];

    /// <summary>Bytes of the file of weights.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>What the graph calls its file of weights.</summary>
    public const string WeightsName = "weights.bin";

    /// <param name="folder">Where the graph's external data lie: the bundle.</param>
    /// <exception cref="BundleException">A file is missing or too short.</exception>
    public static PackedGraph Of(OnnxGraph graph, string folder)
    {
        var packed = new PackedGraph(folder);
        var model = graph.ToProto().Clone();   // constants are shared with other graphs
        var places = new Dictionary<ExternalData, long>();
        foreach (var t in model.Graph.Initializer.Where(Constants.IsExternal))
        {
            var from = ExternalData.Of(System.IO.Path.Combine(folder, BundleManifest.GraphFileName), t);
            if (!places.TryGetValue(from, out var to))
            {
                to = places[from] = (packed.WeightBytes + Alignment - 1) / Alignment * Alignment;
                packed._pieces.Add((from, to));
                packed.WeightBytes = to + from.Length;
            }
            t.ExternalData.Clear();
            t.ExternalData.AddRange(Constants.External(default, [], WeightsName, to, from.Length).ExternalData);
        }
        packed.Model = model.ToByteArray();
        return packed;
    }

    /// <summary>The file of weights, from its first byte to its last.</summary>
    /// <param name="most">Bytes of a part.</param>
    /// <exception cref="BundleException">A file cannot be read, or has changed.</exception>
    public IEnumerable<byte[]> WeightParts(int most, CancellationToken cancel)
    {
        for (var first = 0L; first < WeightBytes; first += most)
        {
            var part = new byte[Math.Min(most, WeightBytes - first)];
            foreach (var (from, to) in _pieces)
            {
                cancel.ThrowIfCancellationRequested();
                var (begin, end) = (Math.Max(first, to), Math.Min(first + part.Length, to + from.Length));
                if (begin < end) Read(from.Location, from.Offset + begin - to, part.AsSpan((int)(begin - first), (int)(end - begin)));
            }
            yield return part;
        }
    }

    private void Read(string location, long offset, Span<byte> bytes)
    {
        var path = System.IO.Path.Combine(_folder, location);
        try
        {
            using var file = RegularFile.OpenRead(path);
            file.Position = offset;
            file.ReadExactly(bytes);
        }
        catch (EndOfStreamException e)
        {
            throw new BundleException($"{path} ends before its tensors do: it was changed while it was read", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BundleException($"{path} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
    }
}
