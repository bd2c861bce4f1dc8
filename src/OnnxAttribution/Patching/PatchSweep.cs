using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Patching;

/// <summary>
/// Activation patching of one pair of prompts. 1. Both are run. 2. Hook by hook, the run that is patched goes on from there once for each
/// place, as rows of a batch, with the other run's activation in its place. 3. The metric is read off each row's logits. What is equal in
/// both runs is not run: it changes nothing.
/// </summary>
/// <remarks>Meng et al. 2022 (arXiv:2202.05262); the terms are Heimersheim and Nanda's (arXiv:2404.15255).</remarks>
/// <param name="patched">The run that is patched; it stays its owner's.</param>
/// <param name="source">The run whose activations it gets; likewise.</param>
/// <param name="metric">What is read, with its tokens.</param>
/// <param name="reference">Logits [vocabulary] of the clean run at the metric's position.</param>
internal sealed class PatchSweep(ActivationCache patched, ActivationCache source, Metric metric, float[] reference)
{
    /// <summary>The metric of the run that is patched, as it is.</summary>
    public double Base { get; } = metric.Evaluate(patched.Logits(metric.Position).ToArray(), 1, reference)[0];

    /// <summary>The metric, in its own unit, once each place is patched.</summary>
    /// <param name="report">Gets the number of places that are done.</param>
    /// <exception cref="AttributionException">A logit overflows.</exception>
    public double[] Run(IReadOnlyList<PatchPlace> places, Action<int>? report = null)
    {
        var (values, done) = (new double[places.Count], 0);
        Array.Fill(values, Base);
        foreach (var group in places.Index().GroupBy(p => p.Item.Hook))
        {
            var (now, other) = (patched.Hook(group.Key), source.Hook(group.Key));
            var hook = HookSteps.Of(patched.Model).Hooks.Find(group.Key);
            HookEdit EditOf(PatchPlace p) => HookEdit.Replace(p.Hook, other) with { Head = p.Head, Position = p.Position };
            var edits = group.Select(p => (p.Index, Edit: EditOf(p.Item)))
                .Where(e => !e.Edit.ChangesNothing(hook, patched.Tokens.Count, now))
                .ToList();
            Run(edits, values);
            report?.Invoke(done += group.Count());
        }
        return values;
    }

    private void Run(List<(int Index, HookEdit Edit)> edits, double[] values)
    {
        if (edits.Count == 0) return;
        var perPass = HookPass.RowsPerPass(patched, [[edits[0].Edit]]);
        foreach (var part in edits.Chunk(perPass))
        {
            using var pass = new HookPass(patched, [.. part.Select(e => (IReadOnlyList<HookEdit>)[e.Edit])]);
            var found = metric.Evaluate(pass.Logits(metric.Position), part.Length, reference, patched.Model.Context.Threads);
            for (var i = 0; i < part.Length; i++) values[part[i].Index] = found[i];
        }
    }
}
