using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>An architecture that is built in.</summary>
/// <param name="ModelType">config.json's <c>model_type</c>.</param>
/// <param name="Models">Models that have it, for documents.</param>
/// <param name="Computed">What is particular about it, for documents.</param>
/// <param name="Read">Reads its config.json, or refuses by name what is not computed.</param>
internal sealed record KnownArchitecture(string ModelType, string Models, string Computed, Func<ConfigJson, ModelArchitecture> Read);
