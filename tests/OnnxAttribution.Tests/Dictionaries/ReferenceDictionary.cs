using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Dictionaries;

/// <summary>A SAELens dictionary in double, one row at a time, as SAELens's classes write it down:
/// gates are gates, norms are divided by where they are. Shares nothing with the program but the reader of its files.</summary>
internal sealed class ReferenceDictionary
{
    private readonly JsonNode _config;
    private readonly Dictionary<string, double[]> _w = [];
    private readonly string _kind, _normalization;

    public ReferenceDictionary(string directory)
    {
        _config = JsonNode.Parse(File.ReadAllText(Path.Combine(directory, "cfg.json")))!;
        using var file = SafetensorsFile.Open(Path.Combine(directory, "sae_weights.safetensors"));
        foreach (var name in file.Tensors.Keys) _w[name] = file.ReadDoubles(name);
        _kind = (string?)_config["activation_fn_str"] == "topk" ? "topk" : (string)_config["architecture"]!;
        _normalization = (string)_config["normalize_activations"]!;
        (Width, Features) = ((int)_config["d_in"]!, (int)_config["d_sae"]!);
    }

    public int Width { get; }
    public int Features { get; }

    public double[] Encode(double[] x)
    {
        var (mean, _, divisor) = Moments(x);
        var y = Enumerable.Range(0, Width)
            .Select(k => ((x[k] - mean) / divisor) - ((bool)_config["apply_b_dec_to_input"]! ? _w["b_dec"][k] : 0))
            .ToArray();
        var product = Enumerable.Range(0, Features)
            .Select(j => Enumerable.Range(0, Width).Sum(k => y[k] * _w["W_enc"][(k * Features) + j]))
            .ToArray();
        if (_kind == "gated")
        {
            return [.. product.Select((p, j) =>
                p + _w["b_gate"][j] > 0 ? Math.Max(0, (p * Math.Exp(_w["r_mag"][j])) + _w["b_mag"][j]) : 0)];
        }
        var pre = product.Select((p, j) => (p + _w["b_enc"][j]) * (Rescales ? Norm(j) : 1)).ToArray();
        var least = _kind == "topk"
            ? pre.OrderDescending().ElementAt((int)(_config["k"] ?? _config["activation_fn_kwargs"]!["k"])!)
            : 0;   // the k + 1st
        return [.. pre.Select((p, j) => _kind switch
        {
            "topk" => p > least ? Math.Max(0, p) : 0,
            "jumprelu" => p > _w["threshold"][j] ? Math.Max(0, p) : 0,
            _ => Math.Max(0, p)
        })];
    }

    /// <param name="x">Whose normalisation is undone.</param>
    public double[] Decode(double[] f, double[] x)
    {
        var (mean, scale, _) = Moments(x);
        return [.. Enumerable.Range(0, Width)
            .Select(k => ((Enumerable.Range(0, Features).Sum(j => f[j] * Row(j, k)) + _w["b_dec"][k]) * scale) + mean)];
    }

    private bool Rescales => (bool?)_config["rescale_acts_by_decoder_norm"] is true;

    private double Row(int feature, int k) =>
        _w["W_dec"][(feature * Width) + k] / (Rescales ? Norm(feature) : 1)
            * ((bool?)_config["finetuning_scaling_factor"] is true ? _w["scaling_factor"][feature] : 1);

    private double Norm(int feature) => Math.Sqrt(_w["W_dec"].Skip(feature * Width).Take(Width).Sum(w => w * w));

    private (double Mean, double Scale, double Divisor) Moments(double[] x)
    {
        var mean = x.Average();
        var deviation = Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / (x.Length - 1));
        var length = Math.Sqrt(x.Sum(v => v * v) / x.Length);
        return _normalization switch
        {
            "layer_norm" => (mean, deviation, deviation + 1e-5),
            "constant_norm_rescale" => (0, length, length),
            "expected_average_only_in" =>
                (0, 1 / (double)_config["metadata"]!["norm_scaling_factor"]!, 1 / (double)_config["metadata"]!["norm_scaling_factor"]!),
            _ => (0, 1, 1),
        };
    }
}
