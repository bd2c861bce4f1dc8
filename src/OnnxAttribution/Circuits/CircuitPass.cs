using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>Runs of the model with nodes ablated, a row each:
/// every site is encoded anew as the pass reaches it, with what the earlier ablations left.</summary>
/// <param name="coefficient">What an ablated feature's own activation is multiplied by, before its ablated value is added.</param>
internal sealed class CircuitPass(ActivationCache clean, Replacements values, float coefficient = 0)
{
    private readonly Dictionary<Site, CircuitEdit> _edits =
        clean.Model.Selected.ToDictionary(s => s, s => new CircuitEdit(clean.Model, s, values, coefficient));

    /// <summary>What each chunk of rows yields: its first row, and the logits [rows, vocabulary] at the position asked for.</summary>
    public delegate void OnRows(int firstRow, int rows, float[] logits);

    /// <summary>Runs all rows, as many at a time as memory allows.</summary>
    /// <param name="row">The i-th of <paramref name="count"/> rows; made when its chunk is, since there may be a great many.</param>
    /// <param name="position">Token position at which the logits are read.</param>
    /// <exception cref="AttributionException">An activation overflows.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public void Run(int count, Func<int, AblationRow> row, int position, OnRows take)
    {
        var most = clean.RowsPerPass();
        for (var first = 0; first < count; first += most)
        {
            clean.Model.Context.Cancel.ThrowIfCancellationRequested();
            AblationRow[] some = [.. Enumerable.Range(first, Math.Min(most, count - first)).Select(row)];
            using var pass = clean.Intervene(some.Length);
            foreach (var at in pass)
            {
                var changes = _edits[at.Site].Changes(at.Current, at.Positions, at.Width, some);
                if (changes.Count > 0) at.Add(changes);
            }
            take(first, some.Length, pass.Logits(position));
        }
    }

    /// <summary>The metric of each row.</summary>
    /// <inheritdoc cref="Run" path="/param"/>
    /// <inheritdoc cref="Run" path="/exception"/>
    public double[] Metrics(int count, Func<int, AblationRow> row, Metric metric)
    {
        var result = new double[count];
        Run(count, row, metric.Position, (first, some, logits) =>
            metric.Evaluate(logits, some, clean.Logits(metric.Position), clean.Model.Context.Threads).CopyTo(result, first));
        return result;
    }
}
