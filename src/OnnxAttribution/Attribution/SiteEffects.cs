using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>One selected site in one graph: its tensor in the model, what it holds in the runs, and its nodes.</summary>
internal sealed class SiteEffects(SelectedSite selected)
{
    private readonly List<SiteEffects> _written = [], _writers = [];
    private FeatureVectors? _nodeColumns;

    public Site Site => selected.Site;
    public Value Value => selected.Value;
    public SparseDictionary? Dictionary => selected.Dictionary;
    public int Width => selected.Width;

    /// <summary>Width of what edges lead into: that of the site, unless a transcoder reads another.</summary>
    public int ReadWidth => selected.ReadWidth;

    /// <summary>A transcoder stands for the site's MLP: its errors are held, so that nothing flows into them.</summary>
    public bool IsReplaced => selected.Mlp is not null;

    /// <summary>The site that edges lead into: itself, or what its transcoder reads.</summary>
    public Site ReadSite => selected.Mlp?.Input ?? Site;

    /// <summary>At so many positions from the first its transcoder has neither features nor errors.</summary>
    public int ZeroPositions => selected.ZeroPositions;

    /// <summary>Sites that its features write: itself, or of a cross-layer transcoder the outputs of its own and later MLPs, in order.
    /// </summary>
    public IReadOnlyList<SiteEffects> Written => _written.Count > 0 ? _written : [this];

    /// <summary>Earlier sites whose features write this one too.</summary>
    public IReadOnlyList<SiteEffects> Writers => _writers;

    /// <summary>[T, d], clean and patch run (null: zero ablation).</summary>
    public required float[] Clean { get; init; }
    public float[]? Patch { get; init; }

    /// <summary>[T, d_in], what a transcoder reads in the clean run; null: the site itself is read.</summary>
    public float[]? Read { get; init; }
    public required SparseEncoding CleanEncoding { get; init; }
    public SparseEncoding? PatchEncoding { get; init; }

    /// <summary>Encoder columns of all features that are active in the clean run, where they were read with the encoding;
    /// null: they are read when they are needed.</summary>
    public FeatureVectors? EncoderColumns { get; init; }

    /// <summary>Encoder columns of every feature that is a node, read when they are first asked for.</summary>
    public FeatureVectors NodeColumns(int threads)
    {
        if (_nodeColumns is not null) return _nodeColumns;
        int[] features = [.. Nodes.Where(n => n.Feature != CausalNode.Error).Select(n => n.Feature).Distinct().Order()];
        if (EncoderColumns is { } read && features.All(read.Has)) return _nodeColumns = read;
        _nodeColumns = Dictionary!.EncoderColumns(features, threads);
        Dictionary.ReleaseEncoder();
        return _nodeColumns;
    }

    /// <summary>Lets decoder rows go that do not stay (<see cref="SparseEncoding.StreamsDecoder"/>): the site has been worked through.
    /// </summary>
    public void ReleaseDecoders()
    {
        CleanEncoding.ReleaseDecoder();
        PatchEncoding?.ReleaseDecoder();
    }

    /// <summary>Pre-activations of the clean run, [T, n], where they were kept.</summary>
    public float[]? PreActivations { get; init; }

    /// <summary>Encoder columns that were read so far, and are kept.</summary>
    public FeatureVectors? KnownColumns => _nodeColumns ?? EncoderColumns;

    /// <summary>∂m/∂x, [T, d]: at the clean run, or the mean over the steps of integrated gradients.</summary>
    public required float[] Gradient { get; set; }

    /// <summary>Index of the first node in the graph's list.</summary>
    public int FirstNode { get; set; }

    /// <summary>The site's nodes: positions ascending, features ascending, the error node last.</summary>
    public List<(int Position, int Feature)> Nodes { get; } = [];

    /// <summary>Δε, [T, d]: with a patch run, what of Δx the features' changes do not carry; else −ε.</summary>
    public required float[] ErrorChange { get; init; }

    public ReadOnlySpan<float> CleanAt(int position) => Clean.AsSpan(position * Width, Width);

    /// <summary>What the dictionary reads at a position.</summary>
    public ReadOnlySpan<float> ReadAt(int position) => (Read ?? Clean).AsSpan(position * ReadWidth, ReadWidth);

    public ReadOnlyMemory<float> GradientMemoryAt(int position) => Gradient.AsMemory(position * Width, Width);

    public ReadOnlySpan<float> GradientAt(int position) => Gradient.AsSpan(position * Width, Width);

    /// <summary>∂m/∂x at an error node's position, [d], as edges into it use it: where the node was really moved, the gradient with the
    /// least change that makes g · Δε the effect that was found (a secant along Δε).</summary>
    public ReadOnlySpan<float> GradientFor(CausalNode error)
    {
        var g = GradientAt(error.Position);
        var change = ErrorChangeAt(error.Position);
        var length = TensorPrimitives.SumOfSquares(change);
        if (!NodeMethods.IsMeasured(error.Method) || length == 0) return g;
        var secant = new float[Width];
        TensorPrimitives.MultiplyAdd(change, (error.Effect - TensorPrimitives.Dot(g, change)) / length, g, secant);
        return secant;
    }

    public ReadOnlySpan<float> ErrorChangeAt(int position) => ErrorChange.AsSpan(position * Width, Width);

    /// <summary>Patch minus clean activation of a feature.</summary>
    public float Change(int position, int feature) =>
        (PatchEncoding?.ActivationOf(position, feature) ?? 0) - CleanEncoding.ActivationOf(position, feature);

    /// <summary>Decoder row, as it lies in the dictionary, of a feature active in either run.</summary>
    public ReadOnlySpan<float> DecoderRow(int feature) =>
        CleanEncoding.Decoder.Has(feature) ? CleanEncoding.Decoder[feature] : PatchEncoding!.Decoder[feature];

    /// <summary>Decoder row of a feature as it counts in the clean run, into <paramref name="row"/>.</summary>
    public void DecoderRow(int position, int feature, Span<float> row) => DecoderRow(position, feature, 0, row);

    /// <summary>What a node writes to one of the sites that it writes: its decoder row there, or an error node's change.</summary>
    /// <param name="site">This one, or of <see cref="Written"/>.</param>
    public void Tangent(int position, int feature, SiteEffects site, Span<float> row)
    {
        if (feature == CausalNode.Error) ErrorChangeAt(position).CopyTo(row);
        else DecoderRow(position, feature, ReferenceEquals(site, this) ? 0 : _written.IndexOf(site), row);
    }

    /// <summary>∂m/∂f of a feature: the gradients at all sites that it writes, along what it writes there.</summary>
    public float GradientOf(int position, int feature)
    {
        var row = DecoderRow(feature);
        var sum = 0f;
        for (var i = 0; i < Written.Count; i++)
        {
            sum += TensorPrimitives.Dot(Written[i].GradientAt(position), row.Slice(i * Width, Width));
        }
        return sum * CleanEncoding.Scales[position];
    }

    /// <summary>Tells the sites of a graph which of them write which.</summary>
    public static void Join(IReadOnlyList<SiteEffects> sites)
    {
        foreach (var site in sites.Where(s => s.Outputs.Count > 1))
        {
            foreach (var output in site.Outputs)
            {
                var written = sites.First(s => s.Site == output);
                site._written.Add(written);
                if (written != site) written._writers.Add(site);
            }
        }
    }

    private IReadOnlyList<Site> Outputs => selected.Mlp?.Outputs ?? [];

    private void DecoderRow(int position, int feature, int layer, Span<float> row)
    {
        var w = DecoderRow(feature).Slice(layer * Width, Width);
        var scale = CleanEncoding.Scales[position];
        if (scale == 1) w.CopyTo(row);
        else TensorPrimitives.Multiply(w, scale, row);
    }

    /// <summary>Change of x at a position when one node moves from its clean to its patch value.</summary>
    public void NodeChange(int position, int feature, Span<float> change) => NodeChange(position, feature, this, change);

    /// <summary>Change of one of the sites that a node writes when it moves from its clean to its patch value.</summary>
    /// <param name="site">This one, or of <see cref="Written"/>.</param>
    public void NodeChange(int position, int feature, SiteEffects site, Span<float> change)
    {
        Tangent(position, feature, site, change);
        if (feature != CausalNode.Error) TensorPrimitives.Multiply(change, Change(position, feature), change);
    }

    /// <summary>Change of x, [T, d], when all nodes of the site move together.</summary>
    public float[] WholeChange()
    {
        if (Patch is { } patch)
        {
            var difference = new float[Clean.Length];
            TensorPrimitives.Subtract(patch, Clean, difference);
            return difference;
        }
        var sum = (float[])ErrorChange.Clone();
        Span<float> change = new float[Width];
        foreach (var (position, feature) in Nodes)
        {
            if (feature == CausalNode.Error) continue;
            NodeChange(position, feature, change);
            var row = sum.AsSpan(position * Width, Width);
            TensorPrimitives.Add(row, change, row);
        }
        return sum;
    }

    /// <summary>Features active in either run, with an error node per position.</summary>
    public void FindNodes()
    {
        for (var t = selected.ZeroPositions; t < CleanEncoding.Positions; t++)
        {
            IEnumerable<int> features = CleanEncoding.Features[t];
            if (PatchEncoding is not null) features = features.Union(PatchEncoding.Features[t]).Order();
            foreach (var f in features) Nodes.Add((t, f));
            Nodes.Add((t, CausalNode.Error));
        }
    }

    /// <summary>Δε from both runs: (x_patch − x) − Σ Δf · decoder row as it counts in the clean run; without a patch run −ε.</summary>
    public static float[] ErrorChangeOf(SparseDictionary? dictionary, float[] clean, SparseEncoding encoding, float[]? patch,
        SparseEncoding? patchEncoding)
    {
        var change = new float[clean.Length];
        if (patch is null || patchEncoding is null)
        {
            TensorPrimitives.Negate(encoding.Errors, change);
            return change;
        }
        TensorPrimitives.Subtract(patch, clean, change);
        if (dictionary is null) return change;
        for (var t = 0; t < encoding.Positions; t++)
        {
            var row = change.AsSpan(t * dictionary.Width, dictionary.Width);
            foreach (var f in encoding.Features[t].Union(patchEncoding.Features[t]))
            {
                var by = (patchEncoding.ActivationOf(t, f) - encoding.ActivationOf(t, f)) * encoding.Scales[t];
                if (by != 0)
                {
                    TensorPrimitives.MultiplyAdd(encoding.Decoder.Has(f) ? encoding.Decoder[f] : patchEncoding.Decoder[f], -by, row, row);
                }
            }
        }
        return change;
    }
}
