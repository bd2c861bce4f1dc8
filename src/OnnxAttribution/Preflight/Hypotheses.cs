using System.Globalization;
using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Preflight;

/// <summary>Readings of a dictionary that differ from one in one respect,
/// in the order in which they are believed where they fit equally well.</summary>
internal sealed class Hypotheses(Sample sample, DictionaryTrial trial, Site site, bool modelIsCentred)
{
    private const string Config = "in the dictionary's cfg.json, and export again";

    // what published dictionaries have
    private static readonly int[] s_k = [8, 16, 32, 64, 128, 256];

    /// <summary>The reading that others differ from.</summary>
    public static Hypothesis AsItIs(InputReading input, OutputReading output, Site site, bool withBos) =>
        new(Fault.DoesNotFit, input, output, site, withBos, "", "", "");

    /// <summary>TopK with each k that leaves out features which are active now.</summary>
    public IEnumerable<Hypothesis> Sparser(Hypothesis now, double l0)
    {
        if (now.Output.K is not null) yield break;
        foreach (var k in s_k.Where(k => k < Math.Min(0.75 * l0, trial.Dictionary.FeatureCount)))
        {
            yield return now with
            {
                Fault = Fault.TopkReadAsRelu,
                Output = now.Output with { K = k, HasThreshold = false },
                Is = "rebuilds better as TopK than as ReLU, as it is read",
                Name = $"k about {k}",
                Fix = $"set \"architecture\": \"topk\" and \"k\" (about {k}) {Config}",
            };
        }
    }

    /// <summary>Readings of the same pre-activations that a sound dictionary never gains by.</summary>
    public IEnumerable<Hypothesis> OfOutput(Hypothesis now, double l0) => Sparser(now, l0).Concat(ByNorm(now));

    public IEnumerable<Hypothesis> Single(Hypothesis now, double l0)
    {
        foreach (var h in Sparser(now, l0).Concat(WithoutTopK(now)).Concat(Normalized(now)).Concat(OfBias(now))) yield return h;
        if (!modelIsCentred && !now.Input.Centres)
        {
            yield return now with
            {
                Fault = Fault.UncentredWeights,
                Input = now.Input with { Centres = true },
                Is = "rebuilds better on a model with centred writing weights, as this one's are not",
                Name = "centred",
                Fix = "export the model again with centred writing weights",
                Setting = Setting.CenterWritingWeights,
            };
        }
        if (now.WithBos || sample.CanHaveBos)
        {
            yield return now with
            {
                Fault = Fault.Bos,
                WithBos = !now.WithBos,
                Is = now.WithBos
                    ? "rebuilds better on texts without BOS than with it, as it is read"
                    : "rebuilds better on texts that begin with BOS than without it, as it is read",
                Name = now.WithBos ? "without BOS" : "with BOS",
                Fix = $"set \"prepend_bos\": {(now.WithBos ? "false" : "true")} {Config}",
            };
        }
        foreach (var h in ByNorm(now)) yield return h;
    }

    private IEnumerable<Hypothesis> OfBias(Hypothesis now)
    {
        var subtracts = now.Input.SubtractsDecoderBias;
        if (trial.Dictionary.DecoderBias.Span.ContainsAnyExcept(0))
        {
            yield return now with
            {
                Fault = Fault.DecoderBias,
                Input = now.Input with { SubtractsDecoderBias = !subtracts },
                Is = subtracts
                    ? "rebuilds better without subtracting b_dec from its input, as is done"
                    : "rebuilds better with b_dec subtracted from its input, which is not done",
                Name = subtracts ? "b_dec not subtracted" : "b_dec subtracted",
                Fix = $"set \"apply_b_dec_to_input\": {(subtracts ? "false" : "true")} {Config}",
            };
        }
    }

    /// <summary>The dictionary as it is at every other site of its width.</summary>
    public IEnumerable<Hypothesis> Elsewhere(Hypothesis now)
    {
        int Length(Site at) => sample.ActivationsAt(at, now.WithBos).Rows.Length;
        foreach (var other in sample.Sites)
        {
            if (other == site || Length(other) != Length(site)) continue;
            yield return now with
            {
                Fault = Fault.OtherSite,
                At = other,
                Is = $"rebuilds {other} better than this site",
                Name = $"at {other}",
                Fix = $"set \"hook_name\": \"{other}\" {Config}, or bring the dictionary that belongs here",
            };
        }
    }

    /// <summary>Constant factors of the input, half an octave apart.</summary>
    public static IEnumerable<Hypothesis> Scaled(Hypothesis now)
    {
        for (var i = -12; i <= 12; i++)
        {
            if (i == 0) continue;
            var c = Math.Pow(2, i / 2.0);
            var written = Written(c);
            yield return now with
            {
                Fault = Fault.InputScale,
                Input = now.Input with { Scale = (float)(now.Input.Scale * c) },
                Is = $"rebuilds better with its input multiplied by about {written}",
                Name = $"input times {written}",
                Fix = "set \"normalize_activations\": \"expected_average_only_in\" and \"norm_scaling_factor\": "
                    + $"{written}, or the number that its training used, {Config}",
            };
        }
    }

    private static IEnumerable<Hypothesis> WithoutTopK(Hypothesis now)
    {
        if (now.Output.K is not { } current) yield break;
        yield return now with
        {
            Fault = Fault.ReluReadAsTopk,
            Output = now.Output with { K = null, HasThreshold = false },
            Is = "rebuilds better as ReLU than as TopK, as it is read",
            Name = "ReLU",
            Fix = $"set \"architecture\": \"standard\" {Config}",
        };
        foreach (var k in s_k.Where(k => k != current))
        {
            yield return now with
            {
                Fault = Fault.WrongK,
                Output = now.Output with { K = k },
                Is = $"rebuilds better with another k than {current}",
                Name = $"k about {k}",
                Fix = $"set \"k\" (about {k}) {Config}",
            };
        }
    }

    private IEnumerable<Hypothesis> Normalized(Hypothesis now)
    {
        var (layout, x) = sample.ActivationsAt(site, now.WithBos);
        var d = trial.Dictionary.Width;
        var length = Enumerable.Range(0, layout.Rows)
            .Where(r => !layout.IsFirst(r))
            .Average(r => (double)TensorPrimitives.Norm<float>(x.AsSpan(r * d, d)));
        foreach (var kind in (InputNormalization[])[InputNormalization.LayerNorm, InputNormalization.None,
            InputNormalization.ExpectedAverage, InputNormalization.ConstantNorm])
        {
            var isAverage = kind == InputNormalization.ExpectedAverage;
            var factor = isAverage ? Math.Sqrt(d) / length : 1;
            if (isAverage ? double.IsInfinity(factor) || Math.Abs(factor - 1) < 0.05 : kind.Name() == now.Input.Normalization) continue;
            var read = now.Input.With(kind, isAverage ? factor : null);
            if (kind == InputNormalization.None && !now.Input.Norm.Changes) continue;
            yield return now with
            {
                Fault = Fault.InputNormalization,
                Input = read,
                Is = kind == InputNormalization.None
                    ? $"rebuilds better from activations as they are than normalised ({now.Input.Normalization}), as it is read"
                    : $"rebuilds better with its input normalised by {kind.Name()}, which is not done",
                Name = kind.Name(),
                Fix = "set \"normalize_activations\": "
                    + $"\"{kind.Name()}\"{(isAverage ? $" and \"norm_scaling_factor\": {Written(factor)}" : "")} {Config}",
            };
        }
    }

    private IEnumerable<Hypothesis> ByNorm(Hypothesis now)
    {
        if (!trial.Norms.Any(n => Math.Abs(n - 1) > 0.02)) yield break;
        foreach (var power in (int[])[-1, 1])
        {
            yield return now with
            {
                Fault = Fault.DecoderNorm,
                Output = now.Output with { NormPower = power },
                Is = power < 0 ? "rebuilds better with the lengths of its decoder's rows counted once less (they may be folded twice, "
                    + "or into features and rows)" : "rebuilds better with the lengths of its decoder's rows counted once more",
                Name = power < 0 ? "decoder rows of length 1" : "decoder rows times their lengths",
                Fix = $"save W_dec with each row {(power < 0 ? "divided" : "multiplied")} by its length, and export again",
            };
        }
        if (now.Output.K is null || trial.Dictionary.EncoderScale is not null) yield break;
        yield return now with
        {
            Fault = Fault.SelectionByNorm,
            Output = now.Output with { SelectsByNorm = true },
            Is = "rebuilds better when the k largest are chosen by activation times the length of the decoder's row, which is not done",
            Name = "chosen by decoder norm",
            Fix = $"set \"rescale_acts_by_decoder_norm\": true {Config}",
        };
    }

    private static string Written(double c) => c.ToString("G3", CultureInfo.InvariantCulture);
}

/// <summary>Another reading of a dictionary.</summary>
/// <param name="At">The site whose activations it reads.</param>
/// <param name="WithBos">Whether the text begins with BOS.</param>
/// <param name="Is">What is known where it fits: that it rebuilds better so, not that it was trained so.</param>
/// <param name="Name">In few words.</param>
/// <param name="Fix">What to do if it was trained so.</param>
/// <param name="Setting">What of the export it is that has to be another; null: none.</param>
internal sealed record Hypothesis(Fault Fault, InputReading Input, OutputReading Output, Site At, bool WithBos, string Is,
    string Name, string Fix, Setting? Setting = null);
