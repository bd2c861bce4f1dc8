using OnnxAttribution.Circuits;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Means over a text file, read as sequences of one document each, as long as the model's context allows.</summary>
internal static class MeanText
{
    /// <exception cref="TextException">The file is missing, cannot be read or is empty.</exception>
    /// <exception cref="Model.AttributionException">It holds nothing but separators.</exception>
    public static MeanActivations Measure(LoadedModel model, string path, bool prependBos, IProgress<string>? progress)
    {
        int? bos = prependBos ? model.Tokenizer.RequireBeginOfText() : null;
        using var reader = new TextFileReader(new TextFile(path, Setting.MeanText));
        var sequences = new TokenSequences(new TextChunks(reader, model.Tokenizer), model.Tokenizer,
            model.ContextLength - (bos is null ? 0 : 1), long.MaxValue, model.VocabularySize);
        return MeanActivations.Measure(model, Sequences(sequences, bos), bos, progress);
    }

    private static IEnumerable<int[]> Sequences(TokenSequences sequences, int? bos)
    {
        while (sequences.Next() is { } tokens) yield return bos is { } b ? [b, .. tokens] : tokens;
    }
}
