using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>One prompt run as it is: the activation of every site (TransformerLens' ActivationCache).
/// Passes that change something start from its values, so what lies before a change is never computed again.
/// Owns the values; who makes one disposes it.</summary>
public sealed class ActivationCache : IDisposable
{
    private readonly DeviceTensor?[] _sites;
    private readonly Dictionary<string, DeviceTensor> _hooks = [];
    private readonly Dictionary<int, float[]> _logits = [];
    private bool _isDisposed;

    private ActivationCache(LoadedModel model, int[] tokens)
    {
        (Model, Tokens) = (model, tokens);
        _sites = new DeviceTensor?[model.Bundle.Sites.Count];
    }

    /// <summary>The model that the prompt was run on; it must outlive the cache.</summary>
    public LoadedModel Model { get; }

    /// <summary>Token ids [T], BOS included where there is one.</summary>
    public IReadOnlyList<int> Tokens { get; }

    /// <summary>Runs the model forward once.</summary>
    /// <param name="model">Must outlive the cache.</param>
    /// <param name="tokens">Token ids [T], the BOS included where one is wanted; it is not added here.</param>
    /// <exception cref="ArgumentNullException">There is no model, or there are no tokens.</exception>
    /// <exception cref="AttributionException">There is no token, too many, one that is no token id, or an activation overflows.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static ActivationCache Of(LoadedModel model, int[] tokens)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokens);
        model.RequireTokens(tokens);
        var run = new ActivationCache(model, tokens);
        try
        {
            for (var i = 0; i < run._sites.Length; i++)
            {
                run._sites[i] = model.Steps.Run(i, run._sites, tokens, 0);
                FiniteValues.Require(run._sites[i]!.Floats(), $"the activations of {model.Bundle.Sites[i].Name}");
            }
            return run;
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Takes over what a forward and backward pass has found.</summary>
    /// <param name="sites">[T, d] of every site of the bundle, by name.</param>
    internal static ActivationCache Of(LoadedModel model, int[] tokens, IReadOnlyDictionary<string, float[]> sites)
    {
        var run = new ActivationCache(model, tokens);
        for (var i = 0; i < run._sites.Length; i++)
        {
            var x = sites[model.Bundle.Sites[i].Name];
            run._sites[i] = DeviceTensor.FromHost(x, 1, tokens.Length, x.Length / tokens.Length);
        }
        return run;
    }

    /// <summary>float32 [T, d]: a site's activation, in the model's own scale.</summary>
    /// <param name="site">Hook name, or a short form such as <c>3.mlp</c>; selected or not.</param>
    /// <exception cref="BundleException">There is no such site.</exception>
    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    public ReadOnlySpan<float> this[string site] => Value(Model.SiteIndex(site)).Floats();

    /// <summary>Logits float32 [vocabulary] of the token behind a position, before any softmax.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="AttributionException">The prompt has no such position, or a logit overflows.</exception>
    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    public ReadOnlySpan<float> Logits(int position)
    {
        RequireAlive();
        Model.RequirePosition(position, Tokens.Count);
        if (_logits.TryGetValue(position, out var known)) return known;
        using var logits = Model.Steps.Run(Model.Steps.Head, _sites, TokenArray, position);
        return _logits[position] = FiniteValues.Require(logits.Floats(), "the logits").ToArray();
    }

    /// <summary>Features and errors of every position at a site; of a site without a dictionary all is error.</summary>
    internal SparseEncoding Encode(Site site) => Model.Encoder.Encode(Model.DictionaryOf(site), this[site.Name].ToArray(), Tokens.Count);

    /// <summary>Rows that one pass over this prompt may have, at least 2.</summary>
    internal int RowsPerPass()
    {
        var widest = Math.Max((long)Tokens.Count * Model.Bundle.Sites.Max(Model.WidthOf), Model.VocabularySize);
        return BatchRows.Of(Model.Context.MemoryBudget, Model.Steps.BytesPerRow(Tokens.Count), widest, 2);
    }

    /// <summary>Frees the activations; passes begun from them may not go on.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        foreach (var x in _sites) x?.Dispose();
        foreach (var x in _hooks.Values) x.Dispose();
    }

    /// <summary>A hook's tensor, [1, …]; computed from the sites when it is first asked for, and kept.</summary>
    /// <exception cref="AttributionException">An activation overflows.</exception>
    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    internal DeviceTensor HookValue(HookTensor hook)
    {
        if (hook.Site is { } site) return Value(site);
        RequireAlive();
        if (_hooks.TryGetValue(hook.Name, out var known)) return known;
        var steps = HookSteps.Of(Model);
        var step = steps.Step(hook.Value, [.. steps.Sites]);
        DeviceTensor[] reads = [.. step.Reads.Select(r => _sites[steps.Sites.ToList().IndexOf(r)]!)];
        var value = steps.Run(step, reads, (TokenArray, 1), 0);
        _hooks.Add(hook.Name, value);
        FiniteValues.Require(value.Floats(), $"the activations of {hook.Name}");
        return value;
    }

    internal DeviceTensor Value(int index)
    {
        RequireAlive();
        return _sites[index]!;
    }

    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    internal void RequireAlive() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    internal int[] TokenArray => (int[])Tokens;
}
