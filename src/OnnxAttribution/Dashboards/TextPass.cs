using System.Buffers;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Dashboards;

/// <summary>
/// One pass of a text through the model, for some of its sites, batch by batch:
/// 1. the model runs forward up to the last of these sites, no further;
/// 2. dictionaries encode the rows and active features are found, sites and groups of sequences side by side: this may be cancelled;
/// 3. each site's statistics take the batch, sites side by side: this may not, so that what is kept is always that of whole batches.
/// </summary>
/// <remarks>Sequences of a batch are padded on the right, which a causal model does not see.
/// Owns its sessions; who makes one disposes it.</remarks>
internal sealed class TextPass : IDisposable
{
    /// <summary>Rows that one thread takes at a time.</summary>
    private const int RowsPerTask = 512;

    /// <summary>A batch is no larger, since more makes no product faster,
    /// and no longer, so that little is lost when a run is interrupted.</summary>
    private const long MostTokens = 8192, MostOperations = 500_000_000_000;

    private readonly LoadedModel _model;
    private readonly IReadOnlyList<Site> _sites;
    private readonly SparseDictionary[] _dictionaries;
    private readonly ForwardPass _forward;
    private readonly DictionaryEncoder _encoder;
    private readonly FinalResidualSample? _sample;
    private readonly bool _hasBos;
    private readonly int _mostSequences;
    private readonly List<SparseRows[]> _found = [];   // by site, then by group

    /// <param name="sample">Filled on the way; null: another pass has done so.</param>
    public TextPass(LoadedModel model, IReadOnlyList<Site> sites, FeatureOptions options, FinalResidualSample? sample)
    {
        (_model, _sites, _sample, _hasBos) = (model, sites, sample, model.PrependsBos);
        _dictionaries = [.. sites.Select(s => model.DictionaryOf(s)!)];
        var context = new RunContext(model.Context.Device, 1, model.Context.Cancel);
        _forward = new ForwardPass(model, sample is null ? sites : sites.Append(model.Bundle.Sites[^1]).Distinct());
        _encoder = new DictionaryEncoder(context, findOnHost: true);
        _mostSequences = options.BatchSequences ?? Sequences(model.Context.MemoryBudget / 2);
        Statistics = [.. sites.Select((s, i) => new SiteStatistics(_dictionaries[i].FeatureCount, options, SeedOf(options.Seed, s)))];
    }

    /// <summary>By site.</summary>
    public IReadOnlyList<SiteStatistics> Statistics { get; }

    /// <summary>Tokens of a sequence, BOS apart.</summary>
    public static int SequenceLength(LoadedModel model) => model.ContextLength - (model.PrependsBos ? 1 : 0);

    /// <summary>Reads one batch; false: the text has ended.</summary>
    /// <exception cref="AttributionException">An activation is NaN or infinite; the message names the site.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the statistics are as they were.</exception>
    public bool Read(TokenSequences sequences)
    {
        var batch = new List<(long Number, int[] Tokens)>();
        while (batch.Count < _mostSequences && sequences.Next() is { } tokens)
        {
            batch.Add((sequences.Count - 1, _hasBos ? [_model.Tokenizer.RequireBeginOfText(), .. tokens] : tokens));
        }
        if (batch.Count == 0) return false;
        var length = batch.Max(s => s.Tokens.Length);
        using var result = _forward.Run(TokenIds.Padded([.. batch.Select(s => s.Tokens)], length), batch.Count);
        var perTask = Math.Max(1, RowsPerTask / length);
        Encode(batch, length, perTask, result);
        Take(batch, length, perTask, result);
        return true;
    }

    public void Dispose()
    {
        _forward.Dispose();
        _encoder.Dispose();
    }

    private void Encode(List<(long Number, int[] Tokens)> batch, int length, int perTask, RunResult result)
    {
        var tasks = (batch.Count + perTask - 1) / perTask;
        while (_found.Count < tasks) _found.Add([.. _sites.Select(_ => new SparseRows())]);
        InParallel(_sites.Count * tasks, i =>
        {
            var (site, task) = (i % _sites.Count, i / _sites.Count);
            var width = _dictionaries[site].Width;
            var rows = ArrayPool<float>.Shared.Rent(perTask * length * width);
            var filled = 0;
            foreach (var b in Enumerable.Range(task * perTask, Math.Min(perTask, batch.Count - (task * perTask))))
            {
                var count = batch[b].Tokens.Length * width;
                ForwardPass.Rows(result, _sites[site]).Slice(b * length * width, count).CopyTo(rows.AsSpan(filled));
                filled += count;
            }
            FiniteValues.Require(rows.AsSpan(0, filled), $"the activations of {_sites[site].Name}");
            _found[task][site].Clear();
            _encoder.AddActive(_dictionaries[site], rows.AsMemory(0, filled), _found[task][site]);
            ArrayPool<float>.Shared.Return(rows);
        });
    }

    private void Take(List<(long Number, int[] Tokens)> batch, int length, int perTask, RunResult result)
    {
        var first = _hasBos ? 1 : 0;
        if (_sample is not null)
        {
            var final = ForwardPass.Rows(result, _model.Bundle.Sites[^1]);
            var width = final.Length / (batch.Count * length);
            for (var b = 0; b < batch.Count; b++)
            {
                for (var t = first; t < batch[b].Tokens.Length; t++) _sample.Add(final.Slice(((b * length) + t) * width, width));
            }
        }
        InParallel(_sites.Count, site =>
        {
            var row = 0;
            for (var b = 0; b < batch.Count; b++)
            {
                if (b % perTask == 0) row = 0;
                Statistics[site].Add(batch[b].Number, batch[b].Tokens, first, _found[b / perTask][site], row);
                row += batch[b].Tokens.Length;
            }
        });
    }

    private void InParallel(int count, Action<int> body)
    {
        try
        {
            Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads }, body);
        }
        catch (AggregateException e)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    private int Sequences(long memory)
    {
        var length = _model.ContextLength;
        var operations = _forward.Operations(length) + _dictionaries.Sum(d => DictionaryEncoder.Operations(d, length));
        var most = Math.Min(MostTokens / length, MostOperations / Math.Max(1, operations));
        var free = memory - (_model.Context.Threads * _dictionaries.Max(DictionaryEncoder.BytesPerCall));
        return (int)Math.Clamp(Math.Min(most,
            BatchRows.Of(free, _forward.BytesPerPrompt(length), (long)length * _dictionaries.Max(d => d.Width), 1)),
            1, int.MaxValue);
    }

    // FNV-1a: a site's samples do not depend on which others are selected
    private static ulong SeedOf(int seed, Site site) =>
        site.Name.Aggregate(14695981039346656037 ^ (uint)seed, (hash, c) => (hash ^ c) * 1099511628211);
}
