using System.Collections;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>
/// A pass over the model that stops at selected sites, where code reads and changes them, in an ordinary loop:
/// <c>foreach (var site in pass) site.Value = …;</c>
/// 1. Sites come in the order of computation. One that no change has reached holds the clean run's value: nothing is computed for it.
/// 2. The first change gives the pass its rows; from there each site is computed for all rows at once,
///    on the device, and comes to the host only where it is read.
/// 3. After the loop, or in place of the rest of it, <see cref="Logits"/> finishes the pass.
/// </summary>
/// <remarks>The hooks of TransformerLens' <c>run_with_hooks</c>, as a loop. A pass runs once. Owns what it computes; who makes one
/// disposes it. The clean run must outlive it.</remarks>
public sealed class InterventionPass : IEnumerable<SiteStop>, IDisposable
{
    private readonly ActivationCache _clean;
    private readonly LoadedModel _model;
    private readonly HashSet<Site> _stops;
    private readonly HashSet<Site> _frozen;
    private readonly DeviceTensor?[] _changed;
    private int _next;
    private SiteStop? _current;
    private bool _begun;

    internal InterventionPass(ActivationCache clean, int rows, IReadOnlyCollection<Site> stops, IReadOnlyCollection<Site> frozen)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        clean.RequireAlive();
        (_clean, _model, Rows) = (clean, clean.Model, rows);
        (_stops, _frozen) = (stops.ToHashSet(), frozen.ToHashSet());
        _changed = new DeviceTensor?[_model.Bundle.Sites.Count];
    }

    /// <summary>How many interventions run side by side: rows of the batch.</summary>
    public int Rows { get; }

    /// <summary>Floating-point operations of the matrix products run so far.</summary>
    internal long Operations { get; private set; }

    /// <summary>Stops at this site and at every selected one behind it, in the order of computation.</summary>
    /// <param name="site">Hook name, or a short form such as <c>3.mlp</c>.</param>
    /// <exception cref="BundleException">There is no such site.</exception>
    /// <exception cref="AttributionException">The site is not among those selected.</exception>
    /// <exception cref="InvalidOperationException">The pass has run already.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public IEnumerable<SiteStop> From(string site)
    {
        var first = _model.SiteIndex(site);
        if (!_stops.Contains(_model.Bundle.Sites[first]))
        {
            throw new AttributionException($"{site} is not selected, so the pass does not stop there; select it too")
            {
                Settings = [Setting.Sites]
            };
        }
        return Walk(first);
    }

    /// <summary>Stops at every selected site, in the order of computation.</summary>
    /// <exception cref="InvalidOperationException">The pass has run already.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public IEnumerator<SiteStop> GetEnumerator() => Walk(0).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Logits float32 [rows, vocabulary] of the token behind a position; what is left of the pass is run.</summary>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="AttributionException">The prompt has no such position, or a logit overflows.</exception>
    /// <exception cref="ObjectDisposedException">The prompt's activations are freed.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public float[] Logits(int position)
    {
        _model.RequirePosition(position, _clean.Tokens.Count);
        Advance(_model.Bundle.Sites.Count);
        var head = _model.Steps.Head;
        if (!_model.Steps.Reads(head).Any(i => _changed[i] is not null)) return Repeated(_clean.Logits(position));
        using var logits = Run(head, position);
        var values = FiniteValues.RequireMoved(logits.Floats(), "the logits");
        return logits.Shape[0] == Rows ? values.ToArray() : Repeated(values);
    }

    /// <summary>Frees what the pass has computed.</summary>
    public void Dispose()
    {
        foreach (var x in _changed) x?.Dispose();
    }

    /// <summary>A change that comes too late would be lost without a word.</summary>
    internal void RequireAt(SiteStop site)
    {
        if (!ReferenceEquals(site, _current)) throw GoneOn();
    }

    /// <summary>A site's activation as it is now: [Rows, T, d], or [1, T, d] where it is the same in all rows.</summary>
    internal DeviceTensor ValueAt(int index) =>
        index + 1 >= _next ? _changed[index] ?? _clean.Value(index) : throw GoneOn();

    /// <summary>Puts a value [Rows, T, d] in the place of what is there; the pass owns it from now on.</summary>
    internal void Replace(int index, DeviceTensor value)
    {
        _changed[index]?.Dispose();
        _changed[index] = value;
    }

    /// <summary>From here on the site holds the clean run's value again.</summary>
    internal void Restore(int index)
    {
        _changed[index]?.Dispose();
        _changed[index] = null;
    }

    internal ActivationCache Clean => _clean;

    private static InvalidOperationException GoneOn() => new("the pass has gone on; read and change a site while it stops there");

    private IEnumerable<SiteStop> Walk(int first)
    {
        if (_begun) throw new InvalidOperationException("a pass runs once; make another");
        _begun = true;
        for (var index = first; index < _changed.Length; index++)
        {
            var site = _model.Bundle.Sites[index];
            if (!_stops.Contains(site)) continue;
            Advance(index + 1);
            _current = new SiteStop(this, site, index);
            yield return _current;
        }
        Advance(_changed.Length);
    }

    // computes the sites before one; what code has asked for at the last stop is done first
    private void Advance(int index)
    {
        _current?.Apply();
        _current = null;
        for (; _next < index; _next++)
        {
            var reads = _model.Steps.Reads(_next);
            var reached = reads.Any(i => _changed[i] is not null);
            if (reached && !_frozen.Contains(_model.Bundle.Sites[_next])) _changed[_next] = Run(_next, 0);
            foreach (var i in reads) LetGo(i, _next);
        }
    }

    private DeviceTensor Run(int step, int position)
    {
        var result = _model.Steps.Run(step, Values(step), _clean.TokenArray, position);
        Operations += _model.Steps.Operations(step, _clean.Tokens.Count) * result.Shape[0];
        return result;
    }

    private void LetGo(int index, int step)
    {
        if (_model.Steps.LastRead[index] > step || _changed[index] is null) return;
        _changed[index]!.Dispose();
        _changed[index] = null;
    }

    private DeviceTensor?[] Values(int step)
    {
        var values = new DeviceTensor?[_changed.Length];
        foreach (var i in _model.Steps.Reads(step)) values[i] = _changed[i] ?? _clean.Value(i);
        return values;
    }

    private float[] Repeated(ReadOnlySpan<float> one)
    {
        var all = new float[Rows * one.Length];
        for (var r = 0; r < Rows; r++) one.CopyTo(all.AsSpan(r * one.Length));
        return all;
    }
}

/// <summary>How a pass is begun from a prompt's activations.</summary>
public static class Interventions
{
    /// <summary>A pass that stops at the model's selected sites; nothing is run yet.</summary>
    /// <param name="clean">The prompt's activations; they must outlive the pass.</param>
    /// <param name="rows">How many interventions run side by side, at least 1: a row of the batch each.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="rows"/> is below 1.</exception>
    public static InterventionPass Intervene(this ActivationCache clean, int rows = 1) => new(clean, rows, clean.Model.Selected, []);

    /// <summary>As above, with the sites that it stops at and those that stay as they are unless they are changed themselves.</summary>
    internal static InterventionPass Intervene(
        this ActivationCache clean, int rows, IReadOnlyCollection<Site> stops, IReadOnlyCollection<Site> frozen) =>
        new(clean, rows, stops, frozen);
}
