using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Preflight;

/// <summary>
/// Why a dictionary's figures look wrong, by trying it out rather than by rule of thumb, on the same sample of activations:
/// 1. readings that differ in one respect; the best that fixes the figures by a clear margin is the finding (<see cref="Plausibility"/>);
/// 2. if none does: the same dictionary at other sites, and with its input times a constant;
/// 3. if none does: the reading that helped most, and again one that differs from it in one respect,
///    so that two faults at once are found too;
/// 4. if none does: that nothing helps, where the figures are hopeless.
/// </summary>
/// <remarks>Where the figures look well, the readings that cost no product with W_enc are tried all the same:
/// a modest loss is all that such a fault may cost, TopK read as ReLU above all.</remarks>
internal sealed class Diagnosis(Sample sample, BundleManifest manifest, Site site, DictionaryTrial trial)
{
    private readonly Hypotheses _hypotheses = new(sample, trial, site, manifest.WeightProcessing.CenterWritingWeights);

    private int Width => trial.Dictionary.Width;
    private int Features => trial.Dictionary.FeatureCount;

    /// <param name="whole">On the whole text.</param>
    public IReadOnlyList<Finding> Find(InputReading input, OutputReading output, bool withBos, ReconstructionFit whole)
    {
        var now = Hypotheses.AsItIs(input, output, site, withBos);
        var before = Tried([now])[0].Fit;
        if (Plausibility.LooksWrong(whole, Width, Features)) return Causes(now, before, whole);
        if (Best(before, Tried(_hypotheses.OfOutput(now, before.L0))) is { } other) return [Found(before, other)];
        return withBos || !sample.CanHaveBos || !Plausibility.MissesFirst(whole) ? [] : MissingBos(now, before, whole);
    }

    private IReadOnlyList<Finding> Causes(Hypothesis now, ReconstructionFit before, ReconstructionFit whole)
    {
        var singles = Tried(_hypotheses.Single(now, before.L0));
        if (Best(before, singles) is { } single) return [Found(before, single, singles)];
        if (Best(before, Tried(_hypotheses.Elsewhere(now).Concat(Hypotheses.Scaled(now)))) is { } other) return [Found(before, other)];
        var (first, after) = singles.MinBy(t => double.IsNaN(t.Fit.Unexplained) ? double.PositiveInfinity : t.Fit.Unexplained);
        if (after.Unexplained <= 0.5 * before.Unexplained
            && Best(after, [.. Tried(_hypotheses.Single(first, after.L0)).Where(t => t.Hypothesis.Fault != first.Fault)]) is { } second)
        {
            return [Found(before, (first, after)), Found(after, second)];
        }
        if (!Plausibility.IsHopeless(whole, Width, Features)) return [];
        var centred = manifest.WeightProcessing.CenterWritingWeights
            ? "; the bundle's writing weights were centred when it was exported, try without it too"
            : "";
        return [new Finding(site.Name, Fault.DoesNotFit, $"{site} does not fit this model: variance explained "
            + $"{Number(whole.VarianceExplained)}, L0 {Count(whole.L0)} of {Features:N0} features, and no other reading of it fixes that. "
            + $"Check that it was trained on this model{centred}.", before, null)];
    }

    private IReadOnlyList<Finding> MissingBos(Hypothesis now, ReconstructionFit before, ReconstructionFit whole)
    {
        var with = Tried([now with { Fault = Fault.Bos, WithBos = true }])[0];
        if (with.Fit.VarianceExplained < before.VarianceExplained - 0.05) return [];
        return
        [
            new Finding(site.Name, Fault.Bos, $"{site} seems to have been trained on texts that begin with BOS, but is read without it: of "
                + $"the first token of a text {Number(whole.FirstVarianceExplained)} of the variance is explained, "
                + $"of the others {Number(whole.VarianceExplained)}; "
                + $"with BOS in front it is {Number(with.Fit.VarianceExplained)} for all. Set \"prepend_bos\": "
                + "true in the dictionary's cfg.json, and export again.", before, with.Fit),
        ];
    }

    private (Hypothesis Hypothesis, ReconstructionFit Fit)? Best(ReconstructionFit before,
        IReadOnlyList<(Hypothesis Hypothesis, ReconstructionFit Fit)> tried)
    {
        var fixes = tried.Where(t => Plausibility.Fixes(before, t.Fit, Width, Features)
            || (t.Hypothesis.Fault == Fault.TopkReadAsRelu && Plausibility.GainsBySparsity(before, t.Fit))).ToList();
        if (fixes.Count == 0) return null;
        var least = fixes.Min(t => t.Fit.Unexplained);
        // what is believed first, where several fit as well; of a fault's parameter the best value
        var fault = fixes.First(t => t.Fit.Unexplained <= (1.1 * least) + 0.002).Hypothesis.Fault;
        return fixes.Where(t => t.Hypothesis.Fault == fault).MinBy(t => t.Fit.Unexplained);
    }

    private Finding Found(ReconstructionFit before, (Hypothesis Hypothesis, ReconstructionFit Fit) best,
        IReadOnlyList<(Hypothesis Hypothesis, ReconstructionFit Fit)>? tried = null)
    {
        var (h, after) = best;
        var others = h.Fault != Fault.InputNormalization || tried is null ? [] : tried
            .Where(t => t.Hypothesis.Fault == Fault.InputNormalization && t.Hypothesis != h
                && Plausibility.Fixes(before, t.Fit, Width, Features) && t.Fit.Unexplained <= (1.5 * after.Unexplained) + 0.01)
            .Select(t => $"{t.Hypothesis.Name} ({Number(t.Fit.VarianceExplained)})").ToList();
        return new Finding(site.Name, h.Fault, $"{site} {h.Is}: variance explained {Number(before.VarianceExplained)} → "
            + $"{Number(after.VarianceExplained)}, L0 {Count(before.L0)} → {Count(after.L0)} ({h.Name}"
            + $"{(others.Count == 0 ? "" : "; " + string.Join(" and ", others) + " would do about as well")}). "
            + $"If it was trained so, {h.Fix}.", before, after, h.Setting);
    }

    // readings of the same input share its product with W_enc
    private List<(Hypothesis Hypothesis, ReconstructionFit Fit)> Tried(IEnumerable<Hypothesis> hypotheses)
    {
        var all = hypotheses.ToList();
        var fits = new ReconstructionFit[all.Count];
        foreach (var group in all.Index().GroupBy(h => (h.Item.Input, h.Item.At, h.Item.WithBos)))
        {
            var (layout, x) = sample.ActivationsAt(group.Key.At, group.Key.WithBos);
            var found = trial.Measure(group.Key.Input, [.. group.Select(h => h.Item.Output)], new(x, layout));
            foreach (var (place, (index, _)) in group.Index()) fits[index] = found[place];
        }
        return [.. all.Select((h, i) => (h, fits[i]))];
    }

    internal static string Number(double x) =>
        Math.Abs(x) < 100 ? x.ToString("0.00", CultureInfo.InvariantCulture) : x.ToString("N0", CultureInfo.InvariantCulture);

    internal static string Count(double l0) => l0.ToString(l0 < 10 ? "0.0" : "N0", CultureInfo.InvariantCulture);
}

/// <summary>Something that looks wrong with a dictionary.</summary>
/// <param name="Sentence">What looks wrong, the figures with and without it, and the fix;
/// that a reading rebuilds better does not prove that it is the one of the training, and the sentence does not say so.</param>
/// <param name="Before">On the sample of the text that other readings were tried on, as the dictionary is read.</param>
/// <param name="After">On the same sample, read as the finding says; null where nothing fixes it.</param>
/// <param name="Setting">What of the export the fix is about; null: nothing.</param>
internal sealed record Finding(string Site, Fault Fault, string Sentence, ReconstructionFit Before, ReconstructionFit? After,
    Setting? Setting = null);
