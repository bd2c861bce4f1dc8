using OnnxAttribution.Ablation;

namespace OnnxAttribution.Runs;

/// <summary>Means over a text file.</summary>
internal static class MeanText
{
    /// <exception cref="PromptException">The file is missing or cannot be read.</exception>
    /// <exception cref="Attribution.AttributionException">The text is empty.</exception>
    public static MeanActivations Of(GraphSession session, string path, bool prependBos, IProgress<string>? progress)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PromptException(e is FileNotFoundException or DirectoryNotFoundException ? $"there is no file {path}; give --mean-text a text file"
                : $"{path} cannot be read ({e.Message.ReplaceLineEndings(" ")}); check that it is a file and its permissions");
        }
        int? bos = prependBos ? session.Tokenizer.RequireBeginOfText() : null;
        var tokens = text.Length == 0 ? [] : session.Tokenizer.Encode(text);
        return MeanActivations.Of(session.Model, MeanActivations.Pieces(tokens, session.Model.ContextLength, bos), bos, progress);
    }
}
