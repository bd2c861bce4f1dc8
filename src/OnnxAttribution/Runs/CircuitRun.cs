using System.Text.Json.Nodes;
using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A circuit ablated in a set of prompts.</summary>
public sealed class CircuitRun
{
    private readonly GraphSession _session;

    private CircuitRun(GraphSession session, Circuit circuit, CircuitAblationOptions options, IReadOnlyList<CircuitPrompt> prompts) =>
        (_session, Circuit, Options, Prompts) = (session, circuit, options, prompts);

    public Circuit Circuit { get; }
    public CircuitAblationOptions Options { get; }
    public IReadOnlyList<CircuitPrompt> Prompts { get; }

    /// <param name="options">Target and foil come from the prompts' tasks.</param>
    /// <param name="prependBos">null: as the dictionaries were trained.</param>
    /// <exception cref="PromptException">A prompt, target or foil cannot be used.</exception>
    /// <exception cref="CircuitException">The circuit has no feature, or does not fit the model or a prompt.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="OperationCanceledException">The session's context was cancelled.</exception>
    public static CircuitRun Of(GraphSession session, Circuit circuit, IReadOnlyList<PromptTask> tasks, CircuitAblationOptions options, bool? prependBos, IProgress<string>? progress = null)
    {
        circuit.RequireFeatures(session.Model);
        var prompts = new List<CircuitPrompt>();
        foreach (var task in tasks)
        {
            progress?.Report($"prompt {prompts.Count + 1} of {tasks.Count}");
            var tokens = PromptTokens.Of(task, session.Tokenizer, prependBos ?? session.Model.PrependsBos);
            prompts.Add(new CircuitPrompt(task, tokens, CircuitAblation.Run(session.Model, tokens.Clean, circuit, options with { Target = tokens.Target, Foil = tokens.Foil })));
        }
        return new CircuitRun(session, circuit, options, prompts);
    }

    /// <summary>Every next token of every prompt, with the circuit ablated, with the random controls (their mean) and with features 0.</summary>
    /// <exception cref="RunDirectoryException">The file exists and <paramref name="force"/> is off, or it cannot be written.</exception>
    public void Write(string file, bool force)
    {
        var table = new StoredTable(new StoredColumn("prompt_id", StoredType.Varchar), new StoredColumn("circuit", StoredType.Varchar), new StoredColumn("token_id", StoredType.Integer), new StoredColumn("token", StoredType.Varchar),
            new StoredColumn("clean_probability", StoredType.Double), new StoredColumn("probability", StoredType.Double), new StoredColumn("change", StoredType.Double), new StoredColumn("relative_change", StoredType.Double));
        foreach (var (index, p) in Prompts.Index())
        {
            foreach (var (name, after) in new[] { ("circuit", p.Result.Ablated), ("random", p.Result.Control), ("feature 0", p.Result.FeatureZero) })
            {
                for (var t = 0; t < after.Length; t++)
                {
                    var s = new TokenShift(t, p.Result.Clean[t], after[t]);
                    table.Add(p.Task.Id ?? $"{index + 1}", name, t, _session.TokenText(t), s.Clean, s.Ablated, s.Change, double.IsFinite(s.Relative) ? s.Relative : double.NaN);
                }
            }
        }
        var facts = new JsonObject
        {
            ["coefficient"] = Options.Coefficient,
            ["keep"] = Options.Keep,
            ["controls"] = Options.Controls,
            ["seed"] = Options.Seed,
            ["model"] = _session.Model.Name,
            ["bundle_sha256"] = _session.BundleHash,
            ["version"] = RunDescription.ProgramVersion,
        };
        RunDirectory.WriteTable(file, table, force, facts, _session.Model.Context.Cancel);
    }
}
