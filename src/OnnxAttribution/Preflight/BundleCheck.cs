using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Preflight;

/// <summary>
/// Checks a bundle's dictionaries on a text, one at a time:
/// 1. activations of some sites, as many as the memory allows, from one pass over the text;
/// 2. each dictionary rebuilds its site's, which gives L0, variance explained and dead features,
///    and is looked into where that looks wrong (<see cref="Diagnosis"/>);
/// 3. the reconstructions of the text's beginning are put in the model's way, which gives cross-entropies (<see cref="SplicedLoss"/>).
/// </summary>
/// <remarks>
/// Definitions as in SAELens's <c>sae eval</c> and dictionary_learning's <c>evaluate</c>. Every dictionary is read with BOS or without as
/// its own config says. The first position of a sequence counts in no figure: it is BOS, or has an activation many times as long as others.
/// </remarks>
internal sealed class BundleCheck
{
    /// <summary>Positions of which a verdict can be made.</summary>
    private const int LeastCounted = 16;

    private readonly LoadedModel _model;
    private readonly CheckOptions _options;
    private readonly IProgress<string>? _progress;
    private readonly CheckText _text;
    private readonly Sample _sample;
    private readonly int _context;
    private readonly Dictionary<Site, SiteCheck> _checked = [];
    private readonly List<Finding> _findings = [];
    private int _diagnosed;

    private BundleCheck(LoadedModel model, string? text, CheckOptions options, IProgress<string>? progress)
    {
        (_model, _options, _progress) = (model, options, progress);
        var most = model.ContextLength;
        _context = options.Context ?? Math.Min(CheckOptions.DefaultContext, most);
        if (_context > most)
        {
            throw new CheckException($"a context of {_context} is more than the model's {most} tokens; give at most that")
            {
                Settings = [Setting.Context]
            };
        }
        _text = CheckText.Read(model, text, _context - 1, options.Tokens);
        _sample = new Sample(model, _text, model.Tokenizer.BeginOfText, options.SampleTokens);
    }

    /// <summary>Checks the dictionaries at the model's selected sites.</summary>
    /// <param name="text">UTF-8, plain or gzip, documents separated by lines that hold <c>&lt;|endoftext|&gt;</c>;
    /// null: a short text of the program's own.</param>
    /// <exception cref="CheckException">No site has a dictionary, or the text is too short.</exception>
    /// <exception cref="TextException">The text cannot be read.</exception>
    /// <exception cref="AttributionException">The model's activations overflow.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static CheckReport Run(LoadedModel model, string? text, CheckOptions options, IProgress<string>? progress = null)
    {
        var sites = model.Selected.Where(s => model.DictionaryOf(s) is not null).ToList();
        if (sites.Count == 0 && model.Bundle.HasTranscodersOnly)
        {
            throw new CheckException(
                $"{model.Directory} has transcoders only; what is checked are dictionaries that rebuild what they read");
        }
        if (sites.Count == 0)
        {
            throw model.Bundle.Sites.Any(model.Bundle.HasDictionary)
                ? new CheckException($"{model.Directory} has no dictionary at the chosen sites; choose others")
                {
                    Settings = [Setting.Sites]
                }
                : new CheckException($"{model.Directory} has no dictionary; export it again with some")
                {
                    Next = new NextStep(StepKind.ExportDictionaries, model.Directory)
                };
        }
        progress?.Report("reading the text");
        return new BundleCheck(model, text, options, progress).Report(sites);
    }

    private CheckReport Report(IReadOnlyList<Site> sites)
    {
        foreach (var withBos in (ReadOnlySpan<bool>)[true, false])
        {
            var some = sites.Where(s => RecordOf(s).PrependBos == withBos).ToList();
            if (some.Count > 0) Check(some, withBos);
        }
        var notes = new List<string>();
        if (sites.Select(s => RecordOf(s).PrependBos).Distinct().Count() > 1)
        {
            notes.Add("Some dictionaries were trained with BOS and some without. Each was checked in its own way; "
                + "a graph over all of them reads its prompt without BOS: select sites of one kind for it.");
        }
        if (sites.Where(s => _model.DictionaryOf(s)!.LacksInputFactor).Select(s => s.Name).ToList() is { Count: > 0 } unscaled)
        {
            notes.Add($"cfg.json of {string.Join(", ", unscaled)} says 'expected_average_only_in', but not by which number inputs were "
                + "multiplied: checked with 1. Write it as \"norm_scaling_factor\" there, and export again.");
        }
        notes.Add($"A feature that is active on none of {_text.Tokens:N0} tokens need not be dead: the share is an upper bound.");
        return new CheckReport(_text.Name, _text.Tokens, _context, [.. sites.Select(s => _checked[s])],
            [.. _findings.OrderBy(f => _model.Bundle.SiteIndex(f.Site))], notes);
    }

    private void Check(List<Site> sites, bool withBos)
    {
        var layout = RowLayout.Of(_text.Sequences, withBos ? _model.Tokenizer.RequireBeginOfText() : null);
        if (layout.Counted < LeastCounted)
        {
            throw new CheckException($"{_text.Name} gives {_text.Tokens} token{(_text.Tokens == 1 ? "" : "s")} to read, too few to say "
                + "what part of the variance dictionaries explain; read more of it, or give a longer text")
            {
                Settings = [Setting.Tokens, Setting.Text]
            };
        }
        var loss = layout.Beginning(_options.LossTokens);
        var rebuilt = new Dictionary<Site, float[]>();
        var bytesPerSite = sizeof(float) * (long)layout.Rows * _model.Bundle.Manifest.DModel;
        foreach (var group in sites.Chunk((int)Math.Clamp(_model.Context.MemoryBudget / bytesPerSite, 1, sites.Count)))
        {
            _progress?.Report($"reading {_text.Tokens:N0} tokens");
            var activations = SiteActivations.Compute(_model, group, layout);
            foreach (var site in group)
            {
                _progress?.Report($"{site} ({_checked.Count + 1} of {_model.Selected.Count})");
                var dictionary = _model.DictionaryOf(site)!;
                if (loss.Rows > 0) rebuilt[site] = new float[loss.Rows * dictionary.Width];
                Check(site, withBos, new DictionaryTrial(dictionary, _model.Encoder, _model.Context), new(activations[site], layout)
                {
                    Counts = new int[dictionary.FeatureCount],
                    Rebuilt = rebuilt.GetValueOrDefault(site),
                });
                activations.Remove(site);
            }
        }
        if (loss.Rows > 0) Losses(loss, rebuilt, withBos);
    }

    private void Check(Site site, bool withBos, DictionaryTrial trial, TrialRows rows)
    {
        var dictionary = trial.Dictionary;
        var input = new InputReading(RecordOf(site).NormalizeActivations, dictionary.Normalization, dictionary.SubtractsDecoderBias);
        var output = new OutputReading(dictionary.K, dictionary.Threshold is not null);
        var fit = trial.Measure(input, [output], rows)[0];
        _checked[site] = new SiteCheck(site.Name, dictionary.Architecture, dictionary.K, dictionary.FeatureCount, input.Normalization,
            withBos, fit, rows.Counts!.Count(c => c == 0), rows.Counts!.Count(c => c > 0.1 * fit.Tokens), null);
        var looksWrong = Plausibility.LooksWrong(fit, dictionary.Width, dictionary.FeatureCount);
        if (looksWrong && ++_diagnosed > _options.MostDiagnosed)
        {
            if (Plausibility.IsHopeless(fit, dictionary.Width, dictionary.FeatureCount))
            {
                _findings.Add(
                    new Finding(site.Name, Fault.NotDiagnosed, $"{site} looks wrong: variance explained "
                        + $"{Diagnosis.Number(fit.VarianceExplained)}, L0 {Diagnosis.Count(fit.L0)} of {dictionary.FeatureCount:N0} "
                        + "features.", fit, null));
            }
            return;
        }
        if (looksWrong) _progress?.Report($"looking into {site}");
        _findings.AddRange(new Diagnosis(_sample, _model.Bundle.Manifest, site, trial).Find(input, output, withBos, fit));
    }

    private void Losses(RowLayout layout, Dictionary<Site, float[]> rebuilt, bool withBos)
    {
        using var loss = new SplicedLoss(_model);
        loss.Add(layout, rebuilt, withBos, _progress);
        if (loss.Predictions == 0) return;
        double n = loss.Predictions;
        foreach (var (site, (spliced, zero)) in loss.Sums)
        {
            var measured = new SiteLoss(loss.Clean / n, spliced / n, zero / n, loss.Predictions);
            var check = _checked[site] = _checked[site] with { Loss = measured };
            if (measured is not { Recovered: < 0.5 } || measured.Spliced - measured.Clean < 0.1 || _findings.Any(f => f.Site == site.Name))
            {
                continue;
            }
            _findings.Add(
                new Finding(site.Name, Fault.LossNotRecovered, $"{site} explains {Diagnosis.Number(check.Fit.VarianceExplained)} of the "
                    + $"variance, but only {Diagnosis.Number(measured.Recovered.Value)} of the cross-entropy that zeroing the "
                    + "site costs is recovered: "
                    + "what it misses is what the model reads. No other reading was looked for; take its graph with care.",
                    check.Fit, null));
        }
    }

    private BundleManifest.DictionaryRecord RecordOf(Site site) => _model.Bundle.DictionaryAt(site)!;
}
