namespace OnnxAttribution.Attribution;

/// <summary>What changes of a site do to the nodes at their positions.</summary>
/// <param name="Starts">Per move, where its nodes begin in the arrays; one more for the end.</param>
/// <param name="FirstNodes">Per move, the first of its nodes among the site's; the error node is the last.</param>
/// <param name="Changes">Of activations; NaN for the error node.</param>
/// <param name="SwitchedOn">Per move, the effect of all features that are active then and in neither run.</param>
internal sealed record SiteReading(int[] Starts, int[] FirstNodes, float[] Changes, float[] Effects, float[] SwitchedOn)
{
    public Span<float> ChangesOf(int move) => Changes.AsSpan(Starts[move]..Starts[move + 1]);

    public Span<float> EffectsOf(int move) => Effects.AsSpan(Starts[move]..Starts[move + 1]);
}
