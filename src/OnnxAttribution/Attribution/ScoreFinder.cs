using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Splits a head's score between two positions into pairs of features.
/// 1. A run as far as the layer gives the stream that its block reads, and the head's queries and keys as they meet.
/// 2. The dictionary there expands the stream at both positions.
/// 3. With norms' scales held, queries and keys are affine in the stream: the tangent of each feature's share, and of the error's, is
///    pushed forward to its share of the query or the key. What is left of it is the bias.
/// 4. A pair is the product of a share of the query with a share of the key, scaled as the model scales its scores (by 1/√d_head, mostly);
///    a soft cap lies outside.
/// </summary>
/// <remarks>As circuit-tracer's attention and Kamath et al. 2025 ("Tracing Attention Computation Through Feature Interactions") explain
/// QK circuits, with the biases and the error as parts.</remarks>
internal sealed class ScoreFinder
{
    private const string Streams = "score.tangents", Positions = "score.positions";

    private readonly LoadedModel _model;
    private readonly int[] _tokens;
    private readonly HeadName _head;
    private readonly AttentionTensors _attention;
    private readonly SparseDictionary _dictionary;
    private readonly Value _stream, _queries, _keys, _pattern;
    private readonly float _scale;

    /// <exception cref="AttributionException">The model has no such head, or no dictionary that its score can be split by.</exception>
    public ScoreFinder(LoadedModel model, int[] tokens, HeadName head)
    {
        (_model, _tokens, _head) = (model, tokens, head);
        ModelAttentions.Require(model, head, Setting.Head);
        model.RequireTokens(tokens);
        _attention = ModelAttentions.At(model, head.Layer);
        var site = SiteOf(head);
        _dictionary = model.Selected.Where(s => s.Name == site).Select(model.DictionaryOf).FirstOrDefault()
            ?? throw NoDictionary(model.Directory, head);
        _stream = model.Graph[site];
        (_queries, _keys) = (_attention.Queries, _attention.Keys);
        _pattern = model.Graph[$"blocks.{head.Layer}.attn.hook_pattern"];
        _scale = (float)(ScoreScale.Of(_pattern, _queries, _keys)
            ?? throw new AttributionException($"between '{_queries.Name}', '{_keys.Name}' and '{_pattern.Name}' lies more than a scaled "
                + "product, a soft cap and a mask, so that the score is no sum over pairs of features"));
    }

    /// <summary>The site whose features a head reads.</summary>
    public static string SiteOf(HeadName head) => $"blocks.{head.Layer}.hook_resid_pre";

    /// <exception cref="AttributionException">A bundle has no such layer, or no dictionary at the site that its heads read.</exception>
    public static void RequireDictionary(ModelBundle bundle, HeadName head)
    {
        ModelAttentions.RequireLayer(bundle, head, Setting.Head);
        if (!bundle.Sites.Any(s => s.Name == SiteOf(head) && bundle.HasDictionary(s))) throw NoDictionary(bundle.Directory, head);
    }

    /// <summary>Scores between positions of the prompt.</summary>
    /// <param name="key">Null: the one that the query attends to most.</param>
    /// <exception cref="AttributionException">A position is outside of the prompt, or the key is after the query.</exception>
    public HeadScore Find(int query, int? key)
    {
        Require(query, Setting.Query);
        if (key is { } given)
        {
            Require(given, Setting.Key);
            if (given > query)
            {
                throw new AttributionException($"the key {given} is after the query {query}, and a query sees no later key; "
                    + "give them the other way round")
                {
                    Settings = [Setting.Query, Setting.Key]
                };
            }
        }
        var (x, q, k, pattern) = Clean();
        var row = pattern.AsSpan(((_head.Head * _tokens.Length) + query) * _tokens.Length, _tokens.Length);
        var at = key ?? TensorPrimitives.IndexOfMax(row);
        var encoding = _model.Encoder.Encode(_dictionary, x, _tokens.Length);
        _dictionary.ReleaseEncoder();
        var (queryParts, queryShares) = Side(encoding, query);
        var (keyParts, keyShares) = Side(encoding, at);
        Push(x, query, at, queryShares, keyShares);
        var pairs = new float[queryParts.Count * keyParts.Count];
        var (queryVectors, keyVectors) = (queryShares.WithBias(q), keyShares.WithBias(k));
        for (var i = 0; i < queryParts.Count; i++)
        {
            for (var j = 0; j < keyParts.Count; j++)
            {
                pairs[(i * keyParts.Count) + j] = TensorPrimitives.Dot<float>(queryVectors[i], keyVectors[j]) * _scale;
            }
        }
        return new HeadScore(_head, query, at, TensorPrimitives.Dot<float>(queryShares.Whole!, keyShares.Whole!) * _scale, row[at],
            queryParts, keyParts, pairs);
    }

    /// <summary>What one side is made of: tangents [n, d], and then what they come to at the query or key.</summary>
    private sealed class Shares(int count, int width)
    {
        public float[] Tangents { get; } = new float[count * width];
        public int Count => count;
        public float[][] Vectors { get; } = new float[count][];
        public float[]? Whole { get; set; }
        public required int Position { get; init; }

        /// <summary>The shares, and what they leave of the whole.</summary>
        /// <param name="all">[T, heads, d_head].</param>
        public float[][] WithBias((float[] Values, int Heads, int Head, int Width) all)
        {
            var whole = all.Values.AsSpan(((Position * all.Heads) + all.Head) * all.Width, all.Width).ToArray();
            Whole = whole;
            var bias = (float[])whole.Clone();
            foreach (var v in Vectors) TensorPrimitives.Subtract<float>(bias, v, bias);
            return [.. Vectors, bias];
        }
    }

    private static (IReadOnlyList<ScorePart> Parts, Shares Shares) Side(SparseEncoding encoding, int position)
    {
        var (features, d) = (encoding.Features[position], encoding.Width);
        var shares = new Shares(features.Length + 1, d) { Position = position };
        var parts = new List<ScorePart>();
        for (var i = 0; i < features.Length; i++)
        {
            var activation = encoding.Activations[position][i];
            TensorPrimitives.Multiply(encoding.Decoder[features[i]], activation * encoding.Scales[position],
                shares.Tangents.AsSpan(i * d, d));
            parts.Add(new ScorePart(features[i], activation));
        }
        var error = encoding.Error(position);
        error.CopyTo(shares.Tangents.AsSpan(features.Length * d, d));
        parts.Add(new ScorePart(CausalNode.Error, TensorPrimitives.Norm(error)));
        parts.Add(new ScorePart(null, float.NaN));
        return (parts, shares);
    }

    // the stream, and queries, keys and pattern as they come of it
    private (float[] Stream, (float[], int, int, int) Queries, (float[], int, int, int) Keys, float[] Pattern) Clean()
    {
        using var runner = _model.Runner(new OnnxGraph([_model.Graph[ModelBundle.Tokens]], [_stream, _queries, _keys, _pattern]));
        using var feed = new Feed().AddTokens(_tokens);
        using var result = runner.Run(feed.Values, runner.Outputs);
        return (FiniteValues.Require(result.Copy(_stream.Name), $"the activations of {_stream.Name}"), Heads(_queries, _head.Head),
            Heads(_keys, _head.Head / _attention.Sharing), result.Copy(_pattern.Name));

        (float[], int, int, int) Heads(Value v, int head) =>
            (result.Copy(v.Name), (int)GraphBuilder.SizeOf(v, 2), head, (int)GraphBuilder.SizeOf(v, 3));
    }

    // both sides in one run, as rows of the position that each stands at
    private void Push(float[] x, int query, int key, Shares queries, Shares keys)
    {
        var g = new GraphBuilder("score/");
        var tangents = g.Input(Streams, DataType.Float, Dim.Named("rows"), _stream.Shape![2]);
        var positions = g.Input(Positions, DataType.Int64, Dim.Named("rows"));
        var parents = new Dictionary<Value, int> { [_stream] = 1 };
        var axes = new Dictionary<Value, int>(PushForward.PositionWise(GradientRules.Frozen, parents, [_stream], _queries));
        foreach (var (v, axis) in PushForward.PositionWise(GradientRules.Frozen, parents, [_stream], _keys)) axes[v] = axis;
        if (axes.GetValueOrDefault(_queries, -1) != 1 || axes.GetValueOrDefault(_keys, -1) != 1)
        {
            throw new AttributionException($"the queries and keys of layer {_head.Layer} are not made of {_stream.Name} position by "
                + "position, so that no feature there has a share of them");
        }
        var pushed = PushForward.Run(new WalkScope(g, GradientRules.Frozen, [_stream]),
            new Dictionary<Value, Value> { [_stream] = g.Unsqueeze(tangents, 0, 1) }, [_queries, _keys], new Rows(g, positions), axes);
        Value[] outputs = [g.Identity(pushed[_queries], "score.q"), g.Identity(pushed[_keys], "score.k")];
        Value[] own = [tangents, positions];
        using var runner = _model.Runner(new OnnxGraph([.. own, .. Topology.ReadBy(outputs, [_stream], own)], outputs));
        float[] rows = [.. queries.Tangents, .. keys.Tangents];
        long[] at = [.. Enumerable.Repeat((long)query, queries.Count), .. Enumerable.Repeat((long)key, keys.Count)];
        using var feed = new Feed().Add(Streams, rows, at.Length, _dictionary.Width).Add(Positions, at, at.Length).AddTokens(_tokens)
            .Add(_stream.Name, x, 1, _tokens.Length, _dictionary.Width);
        using var result = runner.Run(feed.Values.Where(v => runner.Inputs.Contains(v.Key)).ToDictionary(), runner.Outputs);
        Take(result.Floats("score.q"), _queries, _head.Head, queries, 0);
        Take(result.Floats("score.k"), _keys, _head.Head / _attention.Sharing, keys, queries.Count);
    }

    // [1, 1, rows, heads, d_head]
    private static void Take(ReadOnlySpan<float> values, Value v, int head, Shares to, int first)
    {
        var (heads, width) = ((int)GraphBuilder.SizeOf(v, 2), (int)GraphBuilder.SizeOf(v, 3));
        for (var i = 0; i < to.Count; i++) to.Vectors[i] = values.Slice((((first + i) * heads) + head) * width, width).ToArray();
    }

    private void Require(int position, Setting setting)
    {
        if (position >= 0 && position < _tokens.Length) return;
        throw new AttributionException($"position {position} is outside the prompt, whose tokens are 0 to {_tokens.Length - 1}")
        {
            Settings = [setting]
        };
    }

    private static AttributionException NoDictionary(string bundle, HeadName head) => new(
        $"{bundle} has no dictionary at {SiteOf(head)}, and the score of head {head} is split by the features there; "
        + "export the model with one");
}
