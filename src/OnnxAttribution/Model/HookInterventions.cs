namespace OnnxAttribution.Model;

/// <summary>Hooks between sites, read and changed: queries, keys, values, patterns and outputs of heads, scales of norms.</summary>
public static class HookInterventions
{
    /// <summary>Names of the hooks that can be changed, sites among them, in the order of computation.</summary>
    /// <param name="model">Any; of a foreign model, those that its bundle names.</param>
    /// <exception cref="Bundles.BundleException">The graph is damaged.</exception>
    public static IReadOnlyList<string> ChangeableHooks(this LoadedModel model) => HookSteps.Of(model).Hooks.Names;

    /// <summary>A hook's tensor in a run, float32 such as [T, heads, d_head] (<see cref="HookEdit"/> says which): a copy.</summary>
    /// <param name="run">The prompt's activations.</param>
    /// <param name="hook">A name, long or short, of one that can be changed.</param>
    /// <exception cref="AttributionException">There is none; the message says which there are. Or an activation overflows.</exception>
    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static float[] Hook(this ActivationCache run, string hook) =>
        run.HookValue(HookSteps.Of(run.Model).Hooks.Find(hook)).Floats().ToArray();

    /// <summary>Logits float32 [rows, vocabulary] of the token behind a position, before any softmax, once hooks are changed: each row is
    /// the prompt's run with edits of its own, and none but these. Rows are run side by side, from the first step on that reads a changed
    /// tensor, as many at a time as the context's memory budget holds.</summary>
    /// <param name="run">The prompt's activations.</param>
    /// <param name="rows">The edits of each row; a row without any is the run as it is.</param>
    /// <param name="position">Token position from 0, BOS counted.</param>
    /// <exception cref="AttributionException">There is no such hook, head or position; values do not fit the hook; or a logit overflows.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The activations are freed.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static float[] LogitsWith(this ActivationCache run, IReadOnlyList<IReadOnlyList<HookEdit>> rows, int position)
    {
        run.Model.RequirePosition(position, run.Tokens.Count);
        if (rows.Count == 0) return [];
        var perPass = HookPass.RowsPerPass(run, rows);
        var logits = new List<float>(rows.Count * run.Model.VocabularySize);
        for (var first = 0; first < rows.Count; first += perPass)
        {
            using var pass = new HookPass(run, [.. rows.Skip(first).Take(perPass)]);
            logits.AddRange(pass.Logits(position));
        }
        return [.. logits];
    }
}
