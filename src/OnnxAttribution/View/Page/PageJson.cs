using System.Text.Json.Serialization;

namespace OnnxAttribution.View.Page;

/// <summary>How the page's data are written, made at compile time. Writing only: what reads is the page's script,
/// and code for reading would have to be compiled at every start.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    GenerationMode = JsonSourceGenerationMode.Serialization)]
[JsonSerializable(typeof(PageContent))]
[JsonSerializable(typeof(PageBatch))]
internal sealed partial class PageJson : JsonSerializerContext;
