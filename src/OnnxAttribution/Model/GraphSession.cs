using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Model;

/// <summary>A model and its tokenizer, opened once for any number of prompts. Owns both; who opens a session disposes it.</summary>
public sealed class GraphSession : IDisposable
{
    /// <summary>From more prompts than these on, laying weights out for speed pays.</summary>
    internal const int ManyPrompts = 50;

    private GraphSession(LoadedModel model, Tokenizer tokenizer, string path, double seconds)
    {
        Model = model;
        Tokenizer = tokenizer;
        Path = path;
        OpenSeconds = seconds;
        BundleHash = model.BundleHash;
    }

    public LoadedModel Model { get; }
    public Tokenizer Tokenizer { get; }

    /// <summary>The bundle's directory, as it was given.</summary>
    public string Path { get; }

    public string BundleHash { get; }

    /// <summary>What opening took; sessions are made later, when they are first needed.</summary>
    public double OpenSeconds { get; }

    /// <param name="directory">The bundle.</param>
    /// <param name="sites">Kinds or hook names; null: every site with a dictionary.</param>
    /// <param name="manyPrompts">Spend memory and a few seconds so that each prompt is quicker.</param>
    /// <exception cref="BundleException">The bundle is missing, damaged or lacks a site.</exception>
    /// <exception cref="TokenizerException">Its tokenizer is missing or damaged.</exception>
    public static GraphSession Open(string directory, IReadOnlyList<string>? sites, RunContext context, bool manyPrompts = false)
    {
        var start = Stopwatch.GetTimestamp();
        var model = LoadedModel.Open(directory, sites, context, packWeights: manyPrompts);
        try
        {
            var tokenizer = Tokenizer.Open(model.Directory);
            return new GraphSession(model, tokenizer, directory, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>A token's text; <c>[50300]</c> for an id that only the model has, whose vocabulary is padded.</summary>
    public string TokenText(int token) => Tokenizer.TokenText(token);

    /// <summary>One prompt's graph.</summary>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public GraphRun Find(PromptTask task, GraphRequest request)
    {
        var prependBos = request.PrependBos ?? Model.PrependsBos;
        var tokens = PromptTokens.Of(task, Tokenizer, prependBos);
        var sessionsBefore = Model.Context.SessionTime;
        var options = request.Graph with { Target = tokens.Target, Foil = tokens.Foil };
        var graph = request.SumOverPositions ? GraphFinder.FindSummed(Model, tokens.Clean, tokens.Patch, options) : GraphFinder.Find(Model, tokens.Clean, tokens.Patch, options);
        return new GraphRun
        {
            Session = this,
            Task = task,
            Request = request,
            Tokens = tokens,
            PrependBos = prependBos,
            Graph = graph,
            SessionSeconds = (Model.Context.SessionTime - sessionsBefore).TotalSeconds,
        };
    }

    public void Dispose() => Model.Dispose();
}
