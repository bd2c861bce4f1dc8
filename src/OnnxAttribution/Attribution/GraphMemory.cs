using System.Runtime.CompilerServices;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>The memory of one prompt's graph, part by part.</summary>
/// <param name="edges">Of each selected site.</param>
/// <param name="pass">The forward and backward pass, and what lives in it at one time.</param>
internal sealed class GraphMemory(LoadedModel model, NodeRows rows, IReadOnlyList<EdgeCost> edges, (OnnxGraph Graph, long Live) pass)
{
    /// <summary>.NET, the runtime, DuckDB and the page of a small graph, measured: 170 MiB without the page, 390 with it.</summary>
    private const long Program = 240L << 20;

    /// <summary>What Linux maps of a file for each page that is read, where it lies in the page cache.</summary>
    private const int BytesAround = 64 << 10;

    /// <summary>A node as an object, with its places in lists, measured.</summary>
    private const int NodeBytes = 160;

    private readonly List<SparseDictionary> _dictionaries = Of(model);

    /// <summary>Bytes that sessions hold of weights beside mapped files.</summary>
    public long LaidOutBytes { get; } = LiveMemory.Copies(pass.Graph, model.PacksWeights)
        + edges.Sum(e => e.Graph is null ? 0 : LiveMemory.Copies(e.Graph, model.PacksWeights)) + PackedEncoders(model);

    /// <summary>Bytes of W_enc, or of the screen that is read in its place.</summary>
    public static long EncoderBytes(SparseDictionary d) =>
        (d.Screen is null ? sizeof(float) : sizeof(byte)) * (long)d.Width * d.FeatureCount;

    /// <summary>What the prompt holds beside weights.</summary>
    /// <param name="shared">Bytes that live at one time in each prompt of a pass that several share.</param>
    public PromptMemory Held(long shared)
    {
        // long prompts give a session's memory back after each run
        var runs = edges.Select(e => e.RunBytes).ToList();
        var isLong = rows.Positions >= ModelPass.LongFrom;
        return new(isLong ? 0 : pass.Live, shared, Activations(), rows.Count * NodeBytes,
            isLong ? Math.Max(pass.Live, runs.Max()) : runs.Sum(), Found());
    }

    /// <summary>All of it, as chunks are chosen.</summary>
    public IReadOnlyList<PlannedMemory> All()
    {
        var held = Held(0);
        return
        [
            .. Weights(model, rows.Distinct, pass.Graph, LaidOutBytes),
            new("passes", held.Pass + held.Activations),
            new("dictionaries", Dictionaries()),
            new("nodes", held.Nodes),
            new("edges", held.Edges),
            new("edges found", held.Found),
        ];
    }

    /// <summary>The program, and the weights that all prompts share.</summary>
    /// <param name="distinct">Features of each site that are active somewhere.</param>
    /// <param name="laidOut">Bytes that sessions hold of weights.</param>
    public static IEnumerable<PlannedMemory> Weights(LoadedModel model, IEnumerable<(SelectedSite Site, long Features)> distinct,
        OnnxGraph pass, long laidOut) =>
    [
        new("program", Program),
        new("weights of the model", WeightPacking.BytesOf(pass), IsMapped: true),
        new("weights of dictionaries", Mapped(model, distinct), IsMapped: true),
        new("weights laid out", laidOut),
    ];

    /// <summary>What cannot be done with less, the largest part first.</summary>
    public IReadOnlyList<PlannedMemory> Least() =>
    [
        .. ((PlannedMemory[])
        [
            new("program", Program),
            new("passes", pass.Live + Activations()),
            new("dictionaries", Dictionaries()),
            new("nodes", rows.Count * NodeBytes),
            new("edges", edges.Max(e => e.LeastBytes)),
            new("edges found", Found()),
        ]).OrderByDescending(m => m.Bytes),
    ];

    // sites and their gradients
    private long Activations() => 2 * sizeof(float) * (long)rows.Positions * model.Bundle.Sites.Sum(model.WidthOf);

    // encoders are read whole, of screens' columns and of decoders the rows of active features; of large encoders one at a time
    private static long Mapped(LoadedModel model, IEnumerable<(SelectedSite Site, long Features)> distinct)
    {
        var (stays, goes) = (0L, 0L);
        foreach (var (site, features) in distinct)
        {
            if (site.Dictionary is not { } d) continue;
            var all = sizeof(float) * (long)d.Width * d.FeatureCount;
            if (d.Screen is not null) stays += EncoderBytes(d) + (model.PacksWeights && !d.HasLargeEncoder ? all : Touched(features, all));
            else if (d.HasLargeEncoder) goes = Math.Max(goes, all);
            else if (d.EncoderWeightsEntry.Type == TensorType.F32) stays += all;
            if (d.LendsDecoder) stays += Touched(features, sizeof(float) * (long)d.OutputWidth * d.OutputLayers * d.FeatureCount);
        }
        return stays + goes;
    }

    // of rows here and there the system brings in what lies around them too
    private static long Touched(long rows, long all) => all == 0 ? 0 : (long)(all * (1 - Math.Exp(-(double)rows * BytesAround / all)));

    // pre-activations, decoder rows of what is active, errors and changes; weights of other types are converted
    private long Dictionaries()
    {
        var decoded = rows.Distinct.Sum(d => d.Site.Dictionary is { LendsDecoder: false } s
            ? d.Features * s.OutputWidth * s.OutputLayers : 0L);
        var columns = !model.HasLargeEncoders ? 0
            : rows.Distinct.Sum(d => d.Site.Dictionary is { LendsColumns: false } s ? d.Features * s.Width : 0L);
        var errors = 2 * (long)rows.Positions * model.SelectedSites.Sum(s => s.Width);
        var dense = _dictionaries.Count == 0 ? 0 : (long)rows.Positions * _dictionaries.Max(d => d.FeatureCount);
        return (sizeof(float) * (decoded + columns + errors + dense)) + Converted(model);
    }

    /// <summary>Bytes of dictionaries whose weights are not float32, as float32.</summary>
    public static long Converted(LoadedModel model) => sizeof(float) * Of(model)
        .Where(d => d.EncoderWeightsEntry.Type != TensorType.F32)
        .Sum(d => (d.Width + ((long)d.OutputWidth * d.OutputLayers)) * d.FeatureCount);

    private static List<SparseDictionary> Of(LoadedModel model) =>
        [.. model.SelectedSites.Select(s => s.Dictionary).OfType<SparseDictionary>()];

    // found, and copied to be sorted; beyond their room they lie in files, until a page reads them back. Those of lumps are summed as they
    // are found
    private long Found()
    {
        var tangents = rows.Tangents.Sum(t => (long)t.Sum());
        var share = tangents == 0 ? 1 : 1 - ((double)rows.Lumped / tangents);
        var all = (long)(Unsafe.SizeOf<CausalEdge>() * (edges.Sum(e => e.Pairs) * share * share));
        var room = model.Context.EdgeRoom.Bytes;
        return Math.Min(2 * all, Math.Max(3 * room, room + all));
    }

    /// <summary>Bytes of encoders that are laid out beside mapped files.</summary>
    public static long PackedEncoders(LoadedModel model)
    {
        var packed = 0L;
        if (!model.PacksWeights) return packed;
        foreach (var d in model.SelectedSites.Select(s => s.Dictionary).OfType<SparseDictionary>())
        {
            if (d.Screen is not null)
            {
                packed += EncoderBytes(d);
            }
            else if (d.EncoderWeightsEntry.Type == TensorType.F32
                && packed + d.EncoderWeightsEntry.Length <= DictionaryEncoder.MostPackedBytes)
            {
                packed += d.EncoderWeightsEntry.Length;
            }
        }
        return packed;
    }
}
