using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Preflight;

/// <summary>How a dictionary's input is taken: y = x, or x minus its mean over d;
/// what is encoded is scale · norm(y), minus b_dec where that is subtracted.</summary>
/// <param name="Normalization">SAELens's name of it.</param>
/// <param name="Centres">Take the mean over d out of the input, as centred writing weights do.</param>
/// <param name="Scale">A constant factor of the input; the output is divided by it.</param>
internal sealed record InputReading(string Normalization, SiteNormalization Norm, bool SubtractsDecoderBias, bool Centres = false,
    float Scale = 1)
{
    /// <summary>Another normalisation of the input.</summary>
    public InputReading With(InputNormalization kind, double? factor = null) =>
        this with { Normalization = kind.Name(), Norm = new SiteNormalization(kind, factor) };
}
