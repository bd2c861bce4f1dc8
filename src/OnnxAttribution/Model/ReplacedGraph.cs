using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Model;

/// <summary>An MLP that a transcoder stands for.</summary>
/// <param name="Input">The site that it reads.</param>
/// <param name="Output">The MLP's own output.</param>
/// <param name="Weights">The file with its weights, in the bundle.</param>
/// <param name="Outputs">Every MLP's output that it writes, its own first.</param>
internal sealed record ReplacedMlp(Site Input, Site Output, SparseDictionary Dictionary, string Weights, IReadOnlyList<Site> Outputs)
{
    /// <summary>float32 [features, d_in], [features] and [features, layers, d_out]: encoder columns, biases and decoder rows of the
    /// features that are active in a prompt.</summary>
    public string Encoder => Output.Name + ".encoder";

    /// <inheritdoc cref="Encoder"/>
    public string Bias => Output.Name + ".bias";

    /// <inheritdoc cref="Encoder"/>
    public string Decoder => Output.Name + ".decoder";

    /// <summary>float32 [position, features]: 1 where a feature is active, 0 where it is not.</summary>
    public string Active => Output.Name + ".active";

    /// <summary>float32 [position, d_out]: what of the MLP's output neither features nor the skip give, the decoder's bias included.
    /// </summary>
    public string Rest => Output.Name + ".rest";

    /// <summary>The symbolic size of how many features are active in a prompt.</summary>
    public string Features => Output.Name + ".features";

    /// <summary>The tensor that features and errors write, [1, position, d_out]; the skip is added behind it.</summary>
    public string Written => Output.Name + ".written";

    /// <summary>Which of its decoder's layers writes an MLP's output; -1: none.</summary>
    public int LayerOf(Site output) => Outputs.ToList().IndexOf(output);
}

/// <summary>
/// The local replacement model of a prompt as a graph, made from the model's own: each replaced MLP is
/// Σ f · W_dec + rest + x W_skipᵀ, with f = (x W_enc + b) ∘ active, over the features that are active in the prompt, whose vectors are
/// inputs. It yields the model's numbers, and its derivatives run through features and skips where the model's run through the MLP.
/// </summary>
/// <remarks>Ameisen et al. 2025, "Circuit Tracing"; Dunefsky et al. 2024 (arXiv:2406.11944); skips: Paulo et al. 2025
/// (arXiv:2501.18823). Which features are active is fixed, so that it is the derivative of every activation: ReLU, JumpReLU and TopK.
/// </remarks>
internal sealed class ReplacedGraph
{
    private readonly GraphBuilder _g = new("replaced/");
    private readonly OnnxGraph _model;
    private readonly IReadOnlyList<ReplacedMlp> _mlps;
    private readonly OpCopies _copies = new();
    private readonly Dictionary<string, Value> _written = [];
    private readonly Dictionary<ReplacedMlp, (Value Features, Value Decoder)> _features = [];
    private readonly List<Value> _inputs = [];

    private ReplacedGraph(OnnxGraph model, IReadOnlyList<ReplacedMlp> mlps) => (_model, _mlps) = (model, mlps);

    /// <param name="model">With batch 1, without interventions.</param>
    /// <param name="mlps">In the order of computation.</param>
    /// <param name="sites">Every site of the bundle.</param>
    /// <returns>The graph, with the same names, and the inputs that it has beside the model's.</returns>
    public static (OnnxGraph Graph, IReadOnlyList<Value> Inputs) Build(OnnxGraph model, IReadOnlyList<ReplacedMlp> mlps,
        IEnumerable<Site> sites)
    {
        var made = new ReplacedGraph(model, mlps);
        made.Copy([model[ModelBundle.Logits], .. sites.Select(s => model[s.Name])]);
        var graph = new OnnxGraph([.. model.Inputs, .. made._inputs], [made._copies[model[ModelBundle.Logits]]])
        {
            Values = model.Values.Select(v => KeyValuePair.Create(v.Key, made._copies[v.Value])).Concat(made._written).ToDictionary(),
            Metadata = model.Metadata,
            OpsetVersion = model.OpsetVersion,
        };
        return (graph, made._inputs);
    }

    private void Copy(IReadOnlyList<Value> outputs)
    {
        var replaced = _mlps.ToDictionary(m => _model[m.Output.Name]);
        _copies.Through(Topology.Between([], outputs), op =>
        {
            if (op.Out is not [{ } output] || !replaced.TryGetValue(output, out var mlp)) return false;
            _copies[output] = Replaced(mlp);
            return true;
        });
    }

    private Value Replaced(ReplacedMlp mlp)
    {
        var x = _copies[_model[mlp.Input.Name]];                                                                  // [1, T, d]
        _features[mlp] = Features(mlp, x);
        var sum = Input(mlp.Rest, Dim.Named("position"), Dim.Of(mlp.Dictionary.OutputWidth));
        foreach (var (source, (features, decoder)) in _features)
        {
            var layer = source.LayerOf(mlp.Output);
            if (layer >= 0) sum = _g.Add(_g.MatMul(features, _g.Gather(decoder, _g.Int(layer), 1)), sum);         // [1, T, d]
        }
        var written = _written[mlp.Written] = _g.Identity(sum, mlp.Written);
        return mlp.Dictionary.SkipWeightsEntry is { } skip
            ? _g.Emit("Add", [written, _g.MatMul(x, _g.Transpose(Weight(skip), 1, 0))], [mlp.Output.Name])[0]
            : _g.Identity(written, mlp.Output.Name);

        Value Weight(TensorEntry entry) => StoredWeight.Of(_g, mlp.Output.Name + ".W_skip", entry, mlp.Weights);
    }

    private (Value Features, Value Decoder) Features(ReplacedMlp mlp, Value x)
    {
        var (n, dictionary) = (Dim.Named(mlp.Features), mlp.Dictionary);
        var encoder = Input(mlp.Encoder, n, Dim.Of(dictionary.Width));
        var bias = Input(mlp.Bias, n);
        var active = Input(mlp.Active, Dim.Named("position"), n);
        var decoder = Input(mlp.Decoder, n, Dim.Of(dictionary.OutputLayers), Dim.Of(dictionary.OutputWidth));
        var pre = _g.Add(_g.MatMul(x, _g.Transpose(encoder, 1, 0)), bias);                                        // [1, T, n]
        return (_g.Mul(pre, active), decoder);
    }

    private Value Input(string name, params Dim[] shape)
    {
        var input = _g.Input(name, DataType.Float, shape);
        _inputs.Add(input);
        return input;
    }
}
