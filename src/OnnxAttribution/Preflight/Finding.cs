namespace OnnxAttribution.Preflight;

/// <summary>Something that looks wrong with a dictionary.</summary>
/// <param name="Sentence">What looks wrong, the figures with and without it, and the fix;
/// that a reading rebuilds better does not prove that it is the one of the training, and the sentence does not say so.</param>
/// <param name="Before">On the sample of the text that other readings were tried on, as the dictionary is read.</param>
/// <param name="After">On the same sample, read as the finding says; null where nothing fixes it.</param>
internal sealed record Finding(string Site, Fault Fault, string Sentence, ReconstructionFit Before, ReconstructionFit? After);
