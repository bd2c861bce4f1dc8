using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>The tokens that begin and end a text. Several files name them; the first that does counts.</summary>
internal static class SpecialTokens
{
    /// <param name="begins">What tokenizer.json's template puts before a text, if it does.</param>
    /// <returns>Ids; null: there is none.</returns>
    /// <exception cref="TokenizerException">A file is damaged, or names a token that is none.</exception>
    public static (int? Begin, int? End) Read(string directory, TokenizerPipeline pipeline, string? begins)
    {
        var end = Named(directory, "eos_token", pipeline).Id ?? ById(directory, "eos_token_id", pipeline)
            ?? OfText(pipeline, Gpt2Vocabulary.EndOfTextToken) ?? OfText(pipeline, "</s>") ?? OfText(pipeline, "<|end_of_text|>");
        var (begin, isKnown) = Named(directory, "bos_token", pipeline);
        // what has no token of its own for it, and says so, begins with the token that ends
        if (begin is null && !isKnown)
        {
            begin = (begins is null ? null : OfText(pipeline, begins)) ?? ById(directory, "bos_token_id", pipeline)
            ?? OfText(pipeline, "<|begin_of_text|>") ?? OfText(pipeline, "<s>");
        }

        return (begin ?? end, end);
    }

    /// <summary>Those of GPT-2's vocab.json and merges.txt, whose own class lets no other file name them by their ids.</summary>
    /// <param name="endOfText">What begins and ends a text where nothing else is named.</param>
    /// <inheritdoc cref="Read"/>
    public static (int? Begin, int? End) ReadGpt2(string directory, TokenizerPipeline pipeline, int endOfText) =>
        (Named(directory, "bos_token", pipeline).Id ?? endOfText, Named(directory, "eos_token", pipeline).Id ?? endOfText);

    private static (int? Id, bool IsKnown) Named(string directory, string name, TokenizerPipeline pipeline)
    {
        foreach (var file in (string[])["tokenizer_config.json", "special_tokens_map.json"])
        {
            var path = Path.Combine(directory, file);
            using var document = TokenizerFile.ReadJson(path);
            if (document is null || !document.RootElement.TryGetProperty(name, out var token)) continue;
            if (token.ValueKind == JsonValueKind.Null) return (null, true);
            var content = token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out var inner) ? inner : token;
            if (content.ValueKind != JsonValueKind.String)
            {
                throw new TokenizerException(path,
                    $"has {name} = {DisplayText.QuotedName(token.ToString())}, which is no token; download it again.");
            }
            var text = TokenizerFile.Text(path, name, content);
            return (OfText(pipeline, text)
                ?? throw new TokenizerException(path, $"has {name} = {DisplayText.QuotedName(text)}, which the tokenizer does not have; "
                    + "take all of its files from one model."),
                true);
        }
        return (null, false);
    }

    // a list in newer configurations: the first is the one for texts
    private static int? ById(string directory, string name, TokenizerPipeline pipeline)
    {
        using var document = TokenizerFile.ReadJson(Path.Combine(directory, "config.json"));
        if (document is null || !document.RootElement.TryGetProperty(name, out var value)) return null;
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0) value = value[0];
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var id)
            && (pipeline.Added.Any(t => t.Id == id) || pipeline.Vocabulary.Ids.ContainsValue(id)) ? id : null;
    }

    private static int? OfText(TokenizerPipeline pipeline, string text) =>
        pipeline.Added.FirstOrDefault(t => t.Content == text)?.Id ?? (pipeline.Vocabulary.Ids.TryGetValue(text, out var id) ? id : null);
}
