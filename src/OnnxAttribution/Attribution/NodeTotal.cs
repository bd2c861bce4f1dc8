using OnnxAttribution.Bundles;

namespace OnnxAttribution.Attribution;

/// <summary>A feature's sums over positions and prompts, or an error node's, and in how many prompts it stands.</summary>
/// <param name="Activation">In activation units of the dictionary; of an error node in those of the site.</param>
/// <param name="PatchActivation">Likewise.</param>
/// <param name="Effect">In the metric's unit.</param>
internal readonly record struct NodeTotal(double Activation, double PatchActivation, double Effect)
{
    /// <summary>Of linear estimates, in the metric's unit.</summary>
    public double Attribution { get; init; }

    /// <summary>Of really patched effects, in the metric's unit: NaN as soon as one was not measured.</summary>
    public double Exact { get; init; }

    /// <summary>What the effects were found by.</summary>
    public string? Method { get; init; }

    /// <summary>Of the squares of <see cref="CausalNode.EffectError"/>: errors of prompts and positions have nothing to do with each
    /// other.</summary>
    public double SquaredError { get; init; }

    /// <summary>How many prompts have it, at whatever position.</summary>
    public int Active { get; init; }

    /// <summary>How many prompts' own graphs keep it, at whatever position.</summary>
    public int Kept { get; init; }

    // the prompts that were counted last, from 1
    private int LastActive { get; init; }
    private int LastKept { get; init; }

    /// <summary>With a node of a prompt.</summary>
    /// <param name="prompt">From 1; a prompt's nodes are added one after the other.</param>
    public NodeTotal Plus(CausalNode node, int prompt) =>
        new(Activation + node.Activation, PatchActivation + node.PatchActivation, Effect + node.Effect)
        {
            Attribution = Attribution + node.Attribution,
            Exact = Exact + node.Exact,
            Method = Method is null || Method == node.Method ? node.Method : NodeMethods.Mixed,
            SquaredError = SquaredError + ((double)node.EffectError * node.EffectError),
            Active = Active + (LastActive == prompt ? 0 : 1),
            LastActive = prompt,
            Kept = Kept + (node.Kept && LastKept != prompt ? 1 : 0),
            LastKept = node.Kept ? prompt : LastKept,
        };

    /// <summary>The mean over so many prompts, in which it counts 0 where it is not active; not kept yet.</summary>
    public CausalNode Mean(Site site, int feature, int count) =>
        new(site, TokenPosition.All, feature, (float)(Activation / count), (float)(PatchActivation / count), float.NaN,
            (float)(Effect / count))
        {
            Attribution = (float)(Attribution / count),
            Exact = (float)(Exact / count),
            Method = Method!,
            EffectError = (float)(Math.Sqrt(SquaredError) / count),
        };
}
