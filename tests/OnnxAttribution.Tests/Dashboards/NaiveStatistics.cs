using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Ablation;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>The same figures from all activations at once, one sequence after the other,
/// with none of the product's collecting code.</summary>
internal sealed class NaiveStatistics
{
    private readonly List<int[]> _sequences = [];
    private readonly Dictionary<string, List<double[][]>> _activations = [];   // by site, sequence, position, feature
    private readonly int _window;

    /// <param name="Sequence">Which.</param>
    public sealed record Event(int Sequence, int Position, double Activation);

    public NaiveStatistics(LoadedModel model, Tokenizer tokenizer, string text, int window)
    {
        _window = window;
        foreach (var document in text.Split("\n<|endoftext|>\n"))
        {
            foreach (var piece in TextPieces.Of(tokenizer.Encode(document), model.ContextLength, tokenizer.BeginOfText))
            {
                _sequences.Add(piece);
            }
        }
        foreach (var tokens in _sequences)
        {
            using var run = ActivationCache.Of(model, tokens);
            foreach (var site in model.Selected)
            {
                var encoding = run.Encode(site);
                if (!_activations.TryGetValue(site.Name, out var all)) _activations[site.Name] = all = [];
                all.Add([.. Enumerable.Range(0, tokens.Length).Select(t => Dense(encoding, t, model.DictionaryOf(site)!.FeatureCount))]);
            }
            Final.AddRange(Enumerable.Range(1, tokens.Length - 1).Select(t =>
                run[model.Bundle.Sites[^1].Name].Slice(t * model.Bundle.Manifest.DModel, model.Bundle.Manifest.DModel).ToArray()));
        }
    }

    public int Tokens => _sequences.Sum(s => s.Length - 1);

    public int Sequences => _sequences.Count;

    /// <summary>Final residual vectors, BOS apart.</summary>
    public List<float[]> Final { get; } = [];

    /// <summary>Where a feature is active, BOS apart.</summary>
    public List<Event> Events(Site site, int feature) => [.. _activations[site.Name].Index()
        .SelectMany(s => Enumerable.Range(1, s.Item.Length - 1)
            .Where(t => s.Item[t][feature] > 0)
            .Select(t => new Event(s.Index, t, s.Item[t][feature])))];

    /// <summary>The window around an event.</summary>
    public (int Peak, int[] Tokens, double[] Activations) Window(Site site, int feature, Event e)
    {
        int from = Math.Max(1, e.Position - _window), to = Math.Min(_sequences[e.Sequence].Length, e.Position + _window + 1);
        return (e.Position - from, _sequences[e.Sequence][from..to],
            [.. _activations[site.Name][e.Sequence][from..to].Select(p => p[feature])]);
    }

    /// <summary>Strongest first; in a sequence none that overlaps a stronger one;
    /// of the same tokens around the same peak only the strongest.</summary>
    public List<Event> Top(Site site, int feature, int count)
    {
        var chosen = new List<Event>();
        foreach (var e in Events(site, feature).OrderByDescending(e => e.Activation).ThenBy(e => e.Sequence).ThenBy(e => e.Position))
        {
            if (!chosen.Exists(c => c.Sequence == e.Sequence && Math.Abs(c.Position - e.Position) <= 2 * _window)) chosen.Add(e);
        }
        return [.. chosen.DistinctBy(e => (Window(site, feature, e).Peak, string.Join(' ', Window(site, feature, e).Tokens))).Take(count)];
    }

    private static double[] Dense(SparseEncoding encoding, int position, int features)
    {
        var dense = new double[features];
        for (var i = 0; i < encoding.Features[position].Length; i++)
        {
            dense[encoding.Features[position][i]] = encoding.Activations[position][i];
        }
        return dense;
    }
}
