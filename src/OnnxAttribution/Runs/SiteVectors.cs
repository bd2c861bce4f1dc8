using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Prompts as a site has them at the metric's position, before any graph is drawn: its activations x[t], less their mean over the
/// prompts, or the metric's gradient ∂m/∂x[t].</summary>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 5: contexts are clustered by what the model has at their last token.</remarks>
internal static class SiteVectors
{
    /// <summary>One forward and backward pass a prompt.</summary>
    /// <param name="site">One that the model was opened at.</param>
    /// <returns>[d] of each prompt.</returns>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used; the message names its id.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static List<float[]> Find(LoadedModel model, Site site, IReadOnlyList<SitePrompt> prompts, SiteVectorRequest request,
        IProgress<string>? progress = null)
    {
        TemplateTokens.Check(prompts.Select(p => p.Task), model.Tokenizer);
        var vectors = new List<float[]>();
        foreach (var (i, prompt) in prompts.Index())
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"prompt {i + 1} of {prompts.Count}");
            try
            {
                vectors.Add(Of(model, site, prompt, request));
            }
            catch (OnnxAttributionException e) when (e is PromptException { IsTable: false } or AttributionException)
            {
                throw new PromptException($"prompt '{prompt.Task.Id}': {e.Message}") { Settings = e.Settings };
            }
        }
        if (!request.Gradients) Centre(vectors);
        return vectors;
    }

    private static float[] Of(LoadedModel model, Site site, SitePrompt prompt, SiteVectorRequest request)
    {
        var tokens = prompt.Tokens(model.Tokenizer, request.PrependBos ?? model.PrependsBos);
        model.RequireTokens(tokens.Clean);
        if (request.Metric.Position is { } p) model.RequirePosition(p, tokens.Clean.Length);
        var pass = ModelPass.Run(model, tokens.Clean, request.Metric with { Target = tokens.Target, Foil = tokens.Foil });
        var (rows, width) = ((request.Gradients ? pass.Gradients : pass.Sites)[site.Name], model.WidthOf(site));
        return rows.AsSpan((request.Metric.Position ?? tokens.Clean.Length - 1) * width, width).ToArray();
    }

    // what all prompts share would make all of them alike
    private static void Centre(List<float[]> vectors)
    {
        if (vectors.Count == 0) return;
        for (var i = 0; i < vectors[0].Length; i++)
        {
            var mean = vectors.Average(v => (double)v[i]);
            foreach (var vector in vectors) vector[i] = (float)(vector[i] - mean);
        }
    }
}

/// <summary>What of a site prompts are known by.</summary>
/// <param name="Gradients">The metric's gradient, and not the activations.</param>
/// <param name="Metric">Whose gradient, at which position.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
internal sealed record SiteVectorRequest(bool Gradients, MetricRequest Metric, bool? PrependBos);
