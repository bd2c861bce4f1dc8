namespace OnnxAttribution.Bench;

/// <summary>What graphs with exact edges cost, beside the same graphs with edges of the jacobian in the same run.</summary>
/// <param name="Seconds">Of each counted run, in their order; the prompts are those of the other runs.</param>
/// <param name="Operations">Floating-point operations of the products of the median run, the jacobian's among them.</param>
/// <param name="Stages">Seconds of the median run, by stage.</param>
/// <param name="Edges">Of the median run, as what switched on.</param>
/// <param name="PeakMemoryBytes">Of the process while it drew these graphs.</param>
internal sealed record ExactTiming(IReadOnlyList<double> Seconds, long Operations, IReadOnlyDictionary<string, double> Stages, int Edges,
    int SwitchedOn, long PeakMemoryBytes)
{
    public double Median => Figures.Median(Seconds);
}
