using System.Diagnostics;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>The selected sites of prompts side by side, expanded: each dictionary is read once for all of them, a site in each lane.
/// </summary>
/// <param name="columnBudget">
/// Bytes of encoder columns to keep for edges. They are read while a site's W_enc is at hand,
/// so that dictionaries that do not fit into memory together are read from disk once and not twice, and for many prompts once at all.
/// </param>
/// <param name="preBudget">Bytes of pre-activations to keep for exact edges; of a single prompt.</param>
internal sealed class SiteExpansion(LoadedModel model, IReadOnlyList<(ModelPass Clean, ModelPass? Patch)> prompts, long columnBudget,
    long preBudget)
{
    private readonly Lock _lock = new();
    private long _columnBudget = columnBudget, _preBudget = preBudget, _decoderBudget = model.Context.MemoryBudget, _columnTicks;

    /// <summary>Seconds that went into encoder columns.</summary>
    public double ColumnSeconds => Stopwatch.GetElapsedTime(0, _columnTicks).TotalSeconds;

    /// <summary>By prompt: the sites at which no transcoder stands, in the order of computation.</summary>
    public SiteEffects[][] Run()
    {
        SelectedSite[] sites = [.. model.SelectedSites.Where(s => s.Mlp is null)];
        var found = prompts.Select(_ => new SiteEffects[sites.Length]).ToArray();
        SideBySide.For(model.Context, sites.Length, i =>
        {
            var effects = sites[i].Dictionary is { } dictionary ? Expanded(sites[i], dictionary)
                : [.. prompts.Select(p => WithoutDictionary(sites[i], p))];
            for (var p = 0; p < prompts.Count; p++) found[p][i] = effects[p];
        });
        return found;
    }

    private SiteEffects[] Expanded(SelectedSite site, SparseDictionary dictionary)
    {
        var clean = prompts.Select(p => p.Clean.Sites[site.Site.Name]).ToArray();
        var patch = prompts.Select(p => p.Patch?.Sites[site.Site.Name]).ToArray();
        var pre = PreActivations(dictionary, clean[0].Length / site.Width);
        var active = new SparseRows();
        float[][] all = [.. clean, .. patch.OfType<float[]>()];
        if (pre is not null)
        {
            model.Encoder.AddAll(dictionary, clean[0], active, pre);
            all = [.. all[1..]];
        }
        model.Encoder.AddAll(dictionary, Joined(all), active);
        var rows = clean.Sum(x => x.Length) / site.Width;
        var decoder = dictionary.DecoderRows(active.DistinctFeatures(), model.Context.Threads);
        var start = Stopwatch.GetTimestamp();
        var columns = Columns(dictionary, active, rows);
        lock (_lock) _columnTicks += Stopwatch.GetTimestamp() - start;
        dictionary.ReleaseEncoder();
        // decoder rows stay while all that do fit; those of a site alone always have to
        var stays = decoder.IsLent || Take(ref _decoderBudget, sizeof(float) * decoder.Count);
        var (result, first, patchFirst) = (new SiteEffects[prompts.Count], 0, rows);
        for (var p = 0; p < result.Length; p++)
        {
            var encoding = Encoding(dictionary, clean[p], active, ref first, decoder);
            var patchEncoding = patch[p] is { } x ? Encoding(dictionary, x, active, ref patchFirst, decoder) : null;
            result[p] = Effects(site, prompts[p], (encoding, patchEncoding), columns, pre);
            foreach (var e in ((SparseEncoding?[])[encoding, patchEncoding]).OfType<SparseEncoding>())
            {
                e.StreamsDecoder = !stays;
                e.ReleaseDecoder();
            }
        }
        return result;
    }

    private static SiteEffects Effects(SelectedSite site, (ModelPass Clean, ModelPass? Patch) prompt,
        (SparseEncoding Clean, SparseEncoding? Patch) encodings, FeatureVectors? columns, float[]? pre)
    {
        var (clean, patch) = (prompt.Clean.Sites[site.Site.Name], prompt.Patch?.Sites[site.Site.Name]);
        var effects = new SiteEffects(site)
        {
            Clean = clean,
            Patch = patch,
            CleanEncoding = encodings.Clean,
            PatchEncoding = encodings.Patch,
            EncoderColumns = columns,
            PreActivations = pre,
            Gradient = prompt.Clean.Gradients[site.Site.Name],
            ErrorChange = SiteEffects.ErrorChangeOf(site.Dictionary, clean, encodings.Clean, patch, encodings.Patch),
        };
        effects.FindNodes();
        return effects;
    }

    private SparseEncoding Encoding(SparseDictionary dictionary, float[] x, SparseRows active, ref int first, FeatureVectors decoder)
    {
        var encoding = SparseEncoding.From(dictionary, x, (active, first), decoder, model.Context.Threads);
        first += encoding.Positions;
        return encoding;
    }

    private static SiteEffects WithoutDictionary(SelectedSite site, (ModelPass Clean, ModelPass? Patch) prompt)
    {
        SparseEncoding Of(ModelPass pass) => SparseEncoding.WithoutDictionary(pass.Sites[site.Site.Name], pass.Tokens.Length);
        return Effects(site, prompt, (Of(prompt.Clean), prompt.Patch is { } patch ? Of(patch) : null), null, null);
    }

    private static float[] Joined(float[][] parts)
    {
        if (parts is [var only]) return only;
        var all = new float[parts.Sum(p => p.Length)];
        for (var (i, at) = (0, 0); i < parts.Length; at += parts[i++].Length) parts[i].CopyTo(all, at);
        return all;
    }

    // room for them
    private float[]? PreActivations(SparseDictionary dictionary, int positions)
    {
        if (prompts.Count > 1 || !model.Encoder.SeesPreActivations) return null;
        return Take(ref _preBudget, sizeof(float) * (long)positions * dictionary.FeatureCount)
            ? GC.AllocateUninitializedArray<float>(positions * dictionary.FeatureCount) : null;
    }

    // of features that are active in a clean run
    private FeatureVectors? Columns(SparseDictionary dictionary, SparseRows active, int rows)
    {
        if (dictionary.LendsColumns) return dictionary.EncoderColumns([], model.Context.Threads);
        if (_columnBudget <= 0) return null;
        var features = active.DistinctFeatures(rows);
        return Take(ref _columnBudget, sizeof(float) * (long)features.Length * dictionary.Width)
            ? dictionary.EncoderColumns(features, model.Context.Threads) : null;
    }

    private bool Take(ref long budget, long bytes)
    {
        lock (_lock)
        {
            if (bytes > budget) return false;
            budget -= bytes;
            return true;
        }
    }
}
