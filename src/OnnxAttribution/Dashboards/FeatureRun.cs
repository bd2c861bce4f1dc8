using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Dashboards;

/// <summary>
/// Reads a text through a model and writes the dashboards of its features into the bundle.
/// 1. Sites are grouped so that a group's statistics fit half of the memory; each group is one pass over the text.
/// 2. A pass leaves statistics (<see cref="TextPass"/>); every some seconds,
///    and when it is cancelled, they are saved, and the same call goes on from there.
/// 3. Behind a pass each feature's promoted tokens and nearest features are found, and its row is written.
/// </summary>
internal sealed class FeatureRun
{
    private readonly LoadedModel _model;
    private readonly TextFile _text;
    private readonly FeatureOptions _options;
    private readonly IProgress<FeatureProgress>? _progress;
    private readonly IReadOnlyList<IReadOnlyList<Site>> _groups;
    private readonly CollectionState _state;
    private readonly FinalResidualSample _sample;
    private readonly Stopwatch _reading = new();
    private readonly Stopwatch _writing = new();
    private readonly CancellationToken _cancel;
    private long _resumedAt, _read;
    private (long Tokens, long Documents, long Sequences) _total;

    private FeatureRun(LoadedModel model, TextFile text, FeatureOptions options, IProgress<FeatureProgress>? progress)
    {
        (_model, _text, _options, _progress, _cancel) = (model, text, options, progress, model.Context.Cancel);
        var sites = model.Selected.Where(s => model.DictionaryOf(s) is not null).ToList();
        if (sites.Count == 0 && model.Bundle.HasTranscodersOnly)
        {
            throw new DashboardException($"{model.Directory} has transcoders only, of which no dashboards are made yet");
        }
        if (sites.Count == 0)
        {
            throw model.Bundle.Sites.Any(model.Bundle.HasDictionary)
                ? new DashboardException($"{model.Directory} has no dictionary at the chosen sites; choose others")
                {
                    Settings = [Setting.Sites]
                }
                : new DashboardException($"{model.Directory} has no dictionary; export it again with some")
                {
                    Next = new NextStep(StepKind.ExportDictionaries, model.Directory)
                };
        }
        _groups = Grouped(sites);
        _state = new CollectionState(model.Directory,
            $"{model.BundleHash} {text.Key} {string.Join(',', sites)} {options.Key} {string.Join('+', _groups.Select(g => g.Count))}");
        var manifest = model.Bundle.Manifest;
        _sample = new FinalResidualSample(manifest.DModel, (int)Math.Clamp((64 << 20) / (4L * manifest.DVocab), 64, 4096),
            (ulong)options.Seed);
    }

    /// <summary>Reads the text and writes <c>features.parquet</c>.</summary>
    /// <param name="model">The model, with the sites that are meant; those without a dictionary are passed over.</param>
    /// <param name="text">UTF-8, plain or gzip; documents separated by lines that hold <c>&lt;|endoftext|&gt;</c>.</param>
    /// <exception cref="DashboardException">The text cannot be read,
    /// no site has a dictionary, or a table is there and is not to be replaced.</exception>
    /// <exception cref="RunDirectoryException">The bundle cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the state is saved, and a table that was there is as it was.</exception>
    public static FeatureSummary Collect(LoadedModel model, string text, FeatureOptions options,
        IProgress<FeatureProgress>? progress = null)
    {
        var file = Path.Combine(model.Directory, FeatureTable.FileName);
        if (!options.Force && File.Exists(file))
        {
            throw new DashboardException($"{file} exists already; show or search what is in it, or ask for it to be replaced")
            {
                Settings = [Setting.Show, Setting.Search, Setting.Force]
            };
        }
        var run = new FeatureRun(model, new TextFile(text), options, progress);
        using var output = new OutputFile(file, why => why is TimeoutException
            ? new DashboardException($"{file} is being written by another run right now; wait for it, or stop it and go on from there")
            : RunDirectoryException.Unwritable(file, why), run._cancel);
        return run.Run(file, output);
    }

    private FeatureSummary Run(string file, OutputFile output)
    {
        var first = _state.SavedPasses() is { } saved && Enumerable.Range(0, saved).All(p => File.Exists(_state.Part(p)))
            ? saved
            : (int?)null;
        for (var number = first ?? 0; number < _groups.Count; number++)
        {
            using var pass = new TextPass(_model, _groups[number], _options, number == 0 ? _sample : null);
            Array[] arrays = [.. _sample.State, .. pass.Statistics.SelectMany(s => s.State)];
            if (number == first) _state.Load(arrays);
            else if (number > 0) _state.Save(arrays);      // the part that lies before is not made again
            try
            {
                ReadText(pass, number, arrays);
                if (_groups.Count == 1) WriteRows(pass, number, output.Aside);
                else WritePart(pass, number);
            }
            catch (OperationCanceledException)
            {
                _state.Save(arrays);
                throw;
            }
            (_state.Passes, _state.Place) = (number + 1, []);
        }
        _writing.Start();
        if (_groups.Count > 1)
        {
            NestedParquet.Concatenate(output.Aside, [.. Enumerable.Range(0, _groups.Count).Select(_state.Part)], Metadata(), _cancel);
        }
        var dead = NestedParquet.Read(output.Aside, [DashboardRow.Dead], NestedParquet.All, _cancel)
            .Select(cells => cells[0] == "true")
            .ToList();
        output.Commit();
        _state.Remove();
        return new FeatureSummary(file, dead.Count, dead.Count(d => d), [.. _groups.SelectMany(g => g).Select(s => s.Name)], _total.Tokens,
            _total.Documents, _total.Sequences, _resumedAt, _groups.Count, _reading.Elapsed.TotalSeconds, _writing.Elapsed.TotalSeconds,
            _read / Math.Max(1e-9, _reading.Elapsed.TotalSeconds));
    }

    private void ReadText(TextPass pass, int number, Array[] arrays)
    {
        using var reader = new TextFileReader(_text);
        var sequences = new TokenSequences(new TextChunks(reader, _model.Tokenizer), _model.Tokenizer, TextPass.SequenceLength(_model),
            _options.Tokens ?? long.MaxValue, _model.VocabularySize);
        if (_state.Place.Length > 0) sequences.GoTo(_state.Place);
        var begun = sequences.Tokens;
        if (begun > 0) _resumedAt = begun;
        _reading.Start();
        for (var saved = Stopwatch.GetTimestamp(); pass.Read(sequences);)
        {
            _state.Place = sequences.Save();
            Report(number, sequences.Tokens, begun, reader.BytesRead);
            if (Stopwatch.GetElapsedTime(saved) < _options.SaveEvery) continue;
            _state.Save(arrays);
            saved = Stopwatch.GetTimestamp();
        }
        _reading.Stop();
        if (sequences.Tokens == 0) throw _text.Empty();
        _read += sequences.Tokens - begun;
        _total = (sequences.Tokens, sequences.Documents, sequences.Count);
    }

    private void WritePart(TextPass pass, int number)
    {
        using var part = new OutputFile(_state.Part(number), why => RunDirectoryException.Unwritable(_state.Part(number), why), _cancel);
        WriteRows(pass, number, part.Aside);
        part.Commit();
    }

    private void WriteRows(TextPass pass, int number, string file)
    {
        _writing.Start();
        var context = _model.Context;
        using var effects = TokenEffects.Create(_model.Bundle, context, _sample.Vectors);
        using var nearest = new NearestFeatures(context);
        var assembly = new DashboardAssembly(new(_model.TokenText, _model.Tokenizer.Count), _total.Tokens, _options,
            new(effects, nearest, context.Threads));
        IEnumerable<FeatureDashboard> Rows()
        {
            for (var i = 0; i < _groups[number].Count; i++)
            {
                var site = _groups[number][i];
                _progress?.Report(new FeatureProgress($"writing {site.Name}", double.NaN, _total.Tokens, 0, null));
                using var written = effects is not null && site.Kind == SiteKind.Z ? WriteBack.Create(_model.Bundle, site, context) : null;
                var dictionary = _model.DictionaryOf(site)!;
                foreach (var row in assembly.Assemble(site, dictionary, pass.Statistics[i], written, _cancel)) yield return row;
            }
        }
        FeatureTable.Write(file, Rows(), Metadata(), _cancel);
        _writing.Stop();
    }

    private IEnumerable<(string Name, string Text)> Metadata() => RunFile.MetadataOf(
        new FeatureMetadata(_model.BundleHash, _model.Name, _text.Name, _text.Length, _total.Tokens, _total.Documents, _total.Sequences,
            string.Join(',', _groups.SelectMany(g => g)), _model.ContextLength, _model.PrependsBos, _options.Top, _options.Window,
            _options.Quantiles, _options.Seed, ThisProgram.Name, ThisProgram.Version, RunContext.RuntimeVersion),
        RunJson.Default.FeatureMetadata);

    private void Report(int pass, long tokens, long begun, long bytes)
    {
        if (_progress is null) return;
        // bytes are read in advance of tokens, by little; what is compressed counts as it lies
        var share = _options.Tokens is { } limit
            ? Math.Max((double)tokens / limit, _text.Length == bytes ? 0 : (double)bytes / _text.Length)
            : (double)bytes / _text.Length;
        var (all, seconds) = ((pass + Math.Min(1, share)) / _groups.Count, _reading.Elapsed.TotalSeconds);
        var done = tokens - begun;
        var before = share * begun / Math.Max(1, tokens);
        var remaining = share > before
            ? TimeSpan.FromSeconds((seconds / (pass + share - before) * _groups.Count) * (1 - all))
            : (TimeSpan?)null;
        _progress.Report(new FeatureProgress(_groups.Count == 1 ? "reading" : $"reading, pass {pass + 1} of {_groups.Count}", all, tokens,
            (_read + done) / Math.Max(1e-9, seconds), remaining));
    }

    private List<IReadOnlyList<Site>> Grouped(List<Site> sites)
    {
        var groups = new List<List<Site>>();
        var (perFeature, taken) = (SiteStatistics.BytesPerFeature(_options), 0L);
        foreach (var site in sites)
        {
            var features = _model.DictionaryOf(site)!.FeatureCount;
            var bytes = perFeature * features;
            if (bytes / 4 > Array.MaxLength)
            {
                throw new DashboardException($"contexts of {_options.Top} + {_options.Samples} windows of {(2 * _options.Window) + 1} "
                    + $"tokens for {features} features of {site} take {bytes >> 30} GiB, more than one site may; "
                    + "take fewer or shorter ones")
                {
                    Settings = [Setting.Top, Setting.Window]
                };
            }
            if (groups.Count == 0 || taken + bytes > _model.Context.MemoryBudget / 2)
            {
                groups.Add([]);
                taken = 0;
            }
            groups[^1].Add(site);
            taken += bytes;
        }
        return [.. groups];
    }
}
