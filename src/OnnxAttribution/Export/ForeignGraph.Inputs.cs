using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

// the tokens, and what stands in place of all other inputs
internal sealed partial class ForeignGraph
{
    private readonly Dictionary<string, string> _filled = [];

    // inputs of earlier tokens, by what stands for them
    private readonly Dictionary<Value, string> _pasts = [];

    private Value Tokens()
    {
        if (_tokens.Type is not (DataType.Int64 or DataType.Int32))
        {
            throw new BundleException($"{_file}: the input '{_tokens.Name}' is {_tokens.Type}; token ids are int64 or int32");
        }
        if (_tokens.Shape is not null && (_tokens.Rank != 2 || _tokens.Shape.Any(d => d.Size is not null)))
        {
            throw new BundleException($"{_file}: the tokens '{_tokens.Name}' have shape {ShapeText(_tokens.Shape)} where [batch, "
                + $"position] of any size is expected: {DynamicFix}");
        }
        if (_tokens.Shape is { } shape)
        {
            if (shape[1].Symbol is { } position) _axisNames[position] = "position";
            if (shape[0].Symbol is { } batch) _axisNames[batch] = "batch";
        }
        var tokens = _b.Tokens();
        return _tokens.Type == DataType.Int64 ? tokens : _b.G.Cast(tokens, _tokens.Type);
    }

    // what a prompt without padding and without a past has in them
    private Value OtherInput(Value input)
    {
        var g = _b.G;
        var tokens = _made[_tokens];
        switch (_inputs.Of(input.Name))
        {
            case ForeignInput.Ones when input.Shape is null or { Length: 2 }:
                return Filled("1 at every token", g.Expand(g.Int(1), g.Shape(tokens)));
            case ForeignInput.Zeros when input.Shape is null or { Length: 2 }:
                return Filled("0 at every token", g.Expand(g.Int(0), g.Shape(tokens)));
            case ForeignInput.Positions when input.Shape is null or { Length: 1 or 2 }:
                var range = g.Range(g.Int(0), g.Squeeze(g.Shape(tokens, 1, 2), 0), g.Int(1));
                return Filled("0, 1, 2, … along the positions",
                    input.Shape is { Length: 1 } ? range : g.Expand(range, g.Shape(tokens)));
            case ForeignInput.Past:
                var past = Filled("no earlier tokens", _inputs.PastOf(OnnxGraph.Info(input, "")).Made(g, tokens, Prefix + input.Name));
                _pasts[past] = input.Name;
                return past;
            case ForeignInput.Ones or ForeignInput.Zeros or ForeignInput.Positions:
                throw new BundleException($"{_file}: the input '{input.Name}' has shape {ShapeText(input.Shape)} where [batch, position] "
                    + "is expected; export the model with the mask and the positions that Hugging Face's models take");
            default:
                throw new BundleException(input.Name.Contains("cache", StringComparison.Ordinal)
                    ? $"{_file}: the input '{input.Name}' holds a cache of earlier tokens; say so in {_map.Path} "
                        + $"(\"inputs\": {{\"{input.Name}\": \"past_key_values\"}}), or {EmptyPast.Without}"
                    : $"{_file} has the input '{input.Name}', for which no value is known; export the model with token ids only, or say in "
                        + $"{_map.Path} what it holds: \"inputs\": {{\"{input.Name}\": MEANING}}, of {ForeignInputs.Known}");
        }

        Value Filled(string with, Value v)
        {
            _filled[input.Name] = with;
            var wanted = input.Type == DataType.Undefined ? v.Type : input.Type;
            return wanted == v.Type ? v : g.Cast(v, wanted);
        }
    }

    // what nothing but its size is read of is as if it were not there
    private void RequireNoPast(OnnxGraph graph)
    {
        if (_pasts.Count == 0) return;
        var ops = graph.Ops();
        var made = Topology.DependentOn(_pasts.Keys, ops);
        bool IsEmpty(Value? v) => v?.Shape is { } shape && made.Contains(v) && shape.Any(d => d.Size == 0);
        if (ops.FirstOrDefault(o => o.Type is not ("Shape" or "Size") && o.In.Any(IsEmpty)) is not { } op) return;
        var past = Topology.Between([], [op.In.First(IsEmpty)!]).SelectMany(o => o.Out).First(v => v is not null && _pasts.ContainsKey(v))!;
        throw new BundleException($"{_file}: {Named(op)} reads '{_pasts[past]}', the keys or values of earlier tokens, by itself "
            + $"and not in front of the new ones, so that the model is not told without them; {EmptyPast.Without}");
    }

    private BundleManifest.AdoptionRecord Changes(Value logits)
    {
        var given = _original.Inputs.Where(i => i.Initializer is null && i != _tokens).Select(i => i.Name).ToList();
        var kept = _map.Sites.Select(s => s.Tensor).Concat(_map.Hooks.Select(h => h.Tensor)).Append(logits.Name).ToHashSet();
        return new BundleManifest.AdoptionRecord
        {
            Filled = _inputs.Settled.Select(name => (name, With: "false"))
                .Concat(given.Where(_filled.ContainsKey).Select(name => (name, With: _filled[name])))
                .ToDictionary(f => f.name, f => f.With),
            Unread = [.. given.Where(name => !_filled.ContainsKey(name))],
            LeftOut = [.. _original.Outputs.Select(o => o.Name).Where(name => !kept.Contains(name))],
        };
    }
}
