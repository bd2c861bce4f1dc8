namespace OnnxAttribution.Export;

/// <summary>Sizes of a random model and its dictionaries, for measuring; the defaults are GPT-2-small's.</summary>
/// <param name="Features">Features per dictionary.</param>
/// <param name="ActiveFeatures">Features active per position and site, about.</param>
public sealed record SyntheticShape(int Layers = 12, int Width = 768, int Heads = 12, int Vocabulary = 50257, int Context = 1024, int Features = 24576, int ActiveFeatures = 60)
{
    public string Name => $"l{Layers}-d{Width}-h{Heads}-v{Vocabulary}-n{Features}-a{ActiveFeatures}";
}
