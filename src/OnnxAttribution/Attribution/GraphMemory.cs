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

    /// <summary>A node as an object, with its places in lists, measured.</summary>
    private const int NodeBytes = 160;

    private readonly List<SparseDictionary> _dictionaries = [.. model.SelectedSites.Select(s => s.Dictionary).OfType<SparseDictionary>()];

    /// <summary>Bytes that sessions hold of weights beside mapped files.</summary>
    public long LaidOutBytes { get; } = LiveMemory.Copies(pass.Graph, model.PacksWeights)
        + edges.Sum(e => e.Graph is null ? 0 : LiveMemory.Copies(e.Graph, model.PacksWeights)) + PackedEncoders(model);

    /// <summary>Bytes of W_enc, or of the screen that is read in its place.</summary>
    public static long EncoderBytes(SparseDictionary d) =>
        (d.Screen is null ? sizeof(float) : sizeof(byte)) * (long)d.Width * d.FeatureCount;

    /// <summary>All of it, as chunks are chosen.</summary>
    public IReadOnlyList<PlannedMemory> All()
    {
        return
        [
            new("program", Program),
            new("weights of the model", WeightPacking.BytesOf(pass.Graph), IsMapped: true),
            new("weights of dictionaries", MappedEncoders(), IsMapped: true),
            new("weights laid out", LaidOutBytes),
            new("passes", Activations()),
            new("dictionaries", Dictionaries()),
            new("nodes", rows.Count * NodeBytes),
            // one run's memory is the next one's
            new("edges", Math.Max(pass.Live, edges.Max(e => e.RunBytes))),
            new("edges found", Found()),
        ];
    }

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

    private long MappedEncoders()
    {
        var mapped = _dictionaries.Where(d => d.EncoderWeightsEntry.Type == TensorType.F32).ToList();
        var stays = mapped.Where(d => !d.HasLargeEncoder).Sum(EncoderBytes);
        return stays + mapped.Where(d => d.HasLargeEncoder).Select(EncoderBytes).DefaultIfEmpty(0).Max();
    }

    // pre-activations, decoder rows of what is active, errors and changes; weights of other types are converted
    private long Dictionaries()
    {
        var decoded = rows.Distinct.Sum(d => d.Site.Dictionary is { } s ? d.Features * s.OutputWidth * s.OutputLayers : 0L);
        var columns = model.HasLargeEncoders ? rows.Distinct.Sum(d => d.Site.Dictionary is { } s ? d.Features * s.Width : 0L) : 0;
        var errors = 2 * (long)rows.Positions * model.SelectedSites.Sum(s => s.Width);
        var dense = _dictionaries.Count == 0 ? 0 : (long)rows.Positions * _dictionaries.Max(d => d.FeatureCount);
        var converted = _dictionaries.Where(d => d.EncoderWeightsEntry.Type != TensorType.F32)
            .Sum(d => (d.Width + ((long)d.OutputWidth * d.OutputLayers)) * d.FeatureCount);
        return sizeof(float) * (decoded + columns + errors + dense + converted);
    }

    // a list that grows holds them twice for a moment; those of lumps are summed as they are found
    private long Found()
    {
        var tangents = rows.Tangents.Sum(t => (long)t.Sum());
        var share = tangents == 0 ? 1 : 1 - ((double)rows.Lumped / tangents);
        return (long)(2 * Unsafe.SizeOf<CausalEdge>() * (edges.Sum(e => e.Pairs) * share * share));
    }

    private static long PackedEncoders(LoadedModel model)
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
