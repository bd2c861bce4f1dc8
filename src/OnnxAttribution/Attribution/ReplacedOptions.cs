using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>What a graph of a local replacement model can be asked for: effects are gradients times changes in it, and what really moves
/// nodes moves them in the model itself.</summary>
internal static class ReplacedOptions
{
    /// <summary>The options as they count for a model: where MLPs are replaced, no node is refined unless it is asked for.</summary>
    /// <exception cref="AttributionException">MLPs are replaced, and what was asked cannot be had then.</exception>
    public static GraphOptions Of(LoadedModel model, GraphOptions options)
    {
        if (!model.IsReplaced) return WithoutOutputs(options);
        if (options.Method != EffectMethod.Atp)
        {
            throw Refused($"the method {EnumName.Of(options.Method)}", "runs the model itself, not its replacement; take the method atp",
                Setting.Method);
        }
        if (options.Estimator == Estimator.Gim)
        {
            throw Refused("the estimator gim", "has rules for MLPs, not for transcoders; take gradient, relp or frozen", Setting.Estimator);
        }
        if (options.ExactDepth is > 0)
        {
            throw Refused("a depth", "runs blocks of the model itself, not of its replacement; leave it out", Setting.ExactDepth);
        }
        if (options.Refine is > 0)
        {
            throw Refused("refining nodes", "moves them in the model itself, not in its replacement; leave it out", Setting.Refine);
        }
        if (options.Edges == EdgeMethod.Exact)
        {
            throw Refused("exact edges", "move nodes in the model itself, not in its replacement; take edges of the jacobian",
                Setting.Edges);
        }
        if (options.Heads is not null)
        {
            throw Refused("edges split by heads", "are not made of graphs of transcoders yet; leave the split out", Setting.Heads);
        }
        var targets = options.Targets ?? (options.Influence is null ? null : new TargetRequest());
        return options with { Targets = targets, Refine = 0, ExactDepth = null };
    }

    /// <summary>Refuses to compare a graph of transcoders with an estimator that has nothing to say of it.</summary>
    /// <exception cref="AttributionException">It is none of gradient, relp and frozen.</exception>
    public static void RequireEstimator(string name, EffectMethod method, Estimator estimator, int depth)
    {
        if (method == EffectMethod.Atp && depth == 0 && estimator != Estimator.Gim) return;
        throw new AttributionException($"the run's MLPs are replaced by transcoders, and the estimator {name} knows MLPs only; compare "
            + "gradient, relp or frozen")
        {
            Settings = [Setting.Compare]
        };
    }

    private static GraphOptions WithoutOutputs(GraphOptions options) => options is { Targets: null, Influence: null } ? options
        : throw new AttributionException("several outputs, and influence on them, are of graphs in which transcoders stand for MLPs; "
            + "replace them, or leave it out")
        {
            Settings = [options.Targets is null ? Setting.Prune : Setting.Targets, Setting.Replace]
        };

    private static AttributionException Refused(string what, string why, Setting setting) =>
        new($"MLPs are replaced by transcoders, and {what} {why}, or replace none") { Settings = [setting, Setting.Replace] };
}
