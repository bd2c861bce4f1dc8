using OnnxAttribution.Bundles;

namespace OnnxAttribution.Preflight;

/// <summary>Another reading of a dictionary.</summary>
/// <param name="At">The site whose activations it reads.</param>
/// <param name="WithBos">Whether the text begins with BOS.</param>
/// <param name="Is">What is known where it fits: that it rebuilds better so, not that it was trained so.</param>
/// <param name="Name">In few words.</param>
/// <param name="Fix">What to do if it was trained so.</param>
internal sealed record Hypothesis(Fault Fault, InputReading Input, OutputReading Output, Site At, bool WithBos, string Is,
    string Name, string Fix);
