using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Model;

/// <summary>
/// The model as one graph in which chosen features can be edited: at each site that has some,
/// x' = x + Σ (f' − f) · decoder row with f' = scale · f + offset and f the activation as it is by then, as <see cref="FeatureEdits"/>
/// does. So one run of one session gives what all edits together do: to the logits, and to every chosen feature.
/// </summary>
internal sealed class EditedGraph
{
    /// <summary>Inputs: float32 [position, features] each, 1 and 0 where nothing is edited; int64 [1], the position of the logits.
    /// </summary>
    public const string Scale = "edit.scale", Offset = "edit.offset", Position = "edit.position";

    /// <summary>Outputs: float32 [1, position, features], before a site's own edits; float32 [1, vocabulary].</summary>
    public const string Activations = "edit.activations", Logits = "edit.logits";

    private readonly GraphBuilder _g = new("edited/");
    private readonly LoadedModel _model;
    private readonly OpCopies _copies = new();
    private readonly Dictionary<Site, Value> _activations = [];
    private readonly Value _scale;
    private readonly Value _offset;

    private EditedGraph(LoadedModel model, IReadOnlyList<(Site Site, int Feature)> features)
    {
        (_model, Features) = (model, features);
        Dim[] shape = [Dim.Named("position"), Dim.Of(features.Count)];
        (_scale, _offset) = (_g.Input(Scale, DataType.Float, shape), _g.Input(Offset, DataType.Float, shape));
        Graph = Build();
    }

    /// <summary>Inputs: <see cref="ModelBundle.Tokens"/> and those above.</summary>
    public OnnxGraph Graph { get; }

    /// <summary>The features that can be edited, in the order of the inputs' and outputs' last axis.</summary>
    public IReadOnlyList<(Site Site, int Feature)> Features { get; }

    /// <param name="model">Without transcoders in the place of MLPs.</param>
    /// <param name="features">Of selected sites that have a dictionary; at least one.</param>
    /// <exception cref="ArgumentException">There is none.</exception>
    /// <exception cref="AttributionException">Transcoders stand for MLPs.</exception>
    public static EditedGraph Of(LoadedModel model, IEnumerable<(Site Site, int Feature)> features)
    {
        if (model.IsReplaced)
        {
            throw new AttributionException("features of transcoders cannot be edited in a model that is one graph, since what they read "
                + "is not what they write; take a run of sparse autoencoders");
        }
        (Site Site, int Feature)[] ordered =
            [.. features.Distinct().OrderBy(f => model.SelectedSite(f.Site)!.Index).ThenBy(f => f.Feature)];
        return ordered.Length > 0 ? new EditedGraph(model, ordered) : throw new ArgumentException("no feature to edit", nameof(features));
    }

    private OnnxGraph Build()
    {
        var sites = Features.Select(f => f.Site).Distinct().ToDictionary(s => _model.Graph[s.Name]);
        _copies.Through(Topology.Between([], [_model.Graph[ModelBundle.Logits], .. sites.Keys]), op =>
        {
            if (op.Out is not [{ } output] || !sites.TryGetValue(output, out var site)) return false;
            _copies[output] = Edited(_copies.Again(op)[0], site);
            return true;
        });
        return Finished();
    }

    private OnnxGraph Finished()
    {
        var position = _g.Input(Position, DataType.Int64, Dim.Of(1));
        var copied = new OnnxGraph(_model.Graph.Inputs, [_copies[_model.Graph[ModelBundle.Logits]]])
        {
            Values = _model.Graph.Values.ToDictionary(v => v.Key, v => _copies[v.Value]),
            OpsetVersion = _model.Graph.OpsetVersion,
        };
        Value[] all = [.. _model.Bundle.Sites.Select(s => copied[s.Name])];
        var logits = _g.Identity(LogitsHead.At(_g, copied, all, position), Logits);
        Value[] parts = [.. Features.Select(f => f.Site).Distinct().Select(site => _activations.GetValueOrDefault(site)
            ?? throw new GraphException($"the site '{site}' is not what one operator makes, so that it cannot be edited"))];
        var activations = _g.Identity(_g.Concat(2, parts), Activations);
        return new OnnxGraph([_model.Graph[ModelBundle.Tokens], _scale, _offset, position], [activations, logits])
        {
            OpsetVersion = _model.Graph.OpsetVersion,
        };
    }

    // x + scale · ((s − 1) ∘ f + o) W_dec
    private Value Edited(Value x, Site site)
    {
        var (first, features) = (Features.Index().First(f => f.Item.Site == site).Index,
            Features.Where(f => f.Site == site).Select(f => f.Feature).ToArray());
        var dictionary = _model.DictionaryOf(site)!;
        var location = System.IO.Path.GetRelativePath(_model.Directory, dictionary.Directory).Replace('\\', '/');
        var (f, norm) = new FeatureGraph(_g, dictionary, location).Build(x, features);
        _activations[site] = f;
        Value Part(Value edits) => _g.Slice(edits, _g.Ints(first), _g.Ints(first + features.Length), _g.Ints(1));
        var after = _g.Add(_g.Mul(f, Part(_scale)), Part(_offset));
        var rows = dictionary.DecoderRows(features, _model.Context.Threads).Of(features).Span;
        var decoder = _g.Constant(site.Name + ".rows", Constants.Of(rows, features.Length, dictionary.OutputWidth));
        return _g.Add(x, _g.Mul(_g.MatMul(_g.Sub(after, f), decoder), norm));
    }
}
