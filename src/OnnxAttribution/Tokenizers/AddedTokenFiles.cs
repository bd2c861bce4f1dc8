using System.Globalization;
using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tokenizers;

/// <summary>Tokens that were added to a tokenizer after its training and that lie beside its vocabulary:
/// tokenizer_config.json's <c>added_tokens_decoder</c>, or where it has none, added_tokens.json, as transformers' slow
/// tokenizers save them. Without them their text would be cut into bytes.</summary>
internal static class AddedTokenFiles
{
    private const string Configuration = "tokenizer_config.json", Map = "special_tokens_map.json", Legacy = "added_tokens.json",
        Decoder = "added_tokens_decoder";

    /// <returns><paramref name="added"/>, and behind them what the files have beyond it.</returns>
    /// <exception cref="TokenizerException">A file is damaged,
    /// or contradicts the vocabulary or the tokens that were added already.</exception>
    public static IReadOnlyList<AddedToken> With(string directory, BytePairVocabulary vocabulary, IReadOnlyList<AddedToken> added)
    {
        var path = Path.Combine(directory, Configuration);
        using var configuration = TokenizerFile.ReadJson(path);
        var all = added.ToList();
        var ids = new Dictionary<string, int>(vocabulary.Ids, StringComparer.Ordinal);
        foreach (var token in added) ids[token.Content] = token.Id;
        var taken = ids.ToDictionary(t => t.Value, t => t.Key);
        var known = added.Select(t => t.Content).ToHashSet();
        var (source, further) = configuration is not null && configuration.RootElement.TryGetProperty(Decoder, out var decoder)
            ? (path, OfDecoder(path, decoder)) : (Path.Combine(directory, Legacy), OfLegacy(directory, configuration));
        foreach (var token in further.OrderBy(t => t.Id))
        {
            if (ids.TryGetValue(token.Content, out var own) && own != token.Id
                || taken.TryGetValue(token.Id, out var other) && other != token.Content)
            {
                throw new TokenizerException(source, $"has the added token {DisplayText.QuotedName(token.Content)} with the id {token.Id}, "
                    + "which the vocabulary beside it contradicts; take all of the tokenizer's files from one model.");
            }
            (ids[token.Content], taken[token.Id]) = (token.Id, token.Content);
            if (known.Add(token.Content)) all.Add(token);
        }
        return all;
    }

    private static List<AddedToken> OfDecoder(string path, JsonElement decoder)
    {
        if (decoder.ValueKind == JsonValueKind.Null) return [];
        if (decoder.ValueKind != JsonValueKind.Object)
        {
            throw new TokenizerException(path,
                $"has {Decoder} = {DisplayText.QuotedName(decoder.ToString())}, which is no object of ids and tokens; download it again.");
        }
        return [.. decoder.EnumerateObject().Select(entry =>
        {
            var fields = new TokenizerJsonFields(path, $"{Decoder}.{entry.Name}", entry.Value);
            var id = int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
            return entry.Value.ValueKind == JsonValueKind.Object ? fields.Added(id) : throw Wrong(path, entry.Value.ToString(), entry.Name);
        })];
    }

    private static List<AddedToken> OfLegacy(string directory, JsonDocument? configuration)
    {
        var path = Path.Combine(directory, Legacy);
        using var file = TokenizerFile.ReadJson(path);
        if (file is null) return [];
        var mapPath = Path.Combine(directory, Map);
        using var map = TokenizerFile.ReadJson(mapPath);
        HashSet<string> special = [.. Special(Path.Combine(directory, Configuration), configuration), .. Special(mapPath, map)];
        return [.. file.RootElement.EnumerateObject()
            .Select(entry => entry.Name.Length > 0 && entry.Value.ValueKind == JsonValueKind.Number && entry.Value.TryGetInt32(out var id)
                && id is >= 0 and < AddedToken.MostIds
                ? new AddedToken(id, entry.Name, SingleWord: false, StripsLeft: false, StripsRight: false,
                    IsNormalized: !special.Contains(entry.Name)) : throw Wrong(path, entry.Name, entry.Value.ToString()))];
    }

    // every token that a file names by its role
    private static IEnumerable<string> Special(string path, JsonDocument? file) => file is null ? []
        : file.RootElement.EnumerateObject()
            .Where(p => p.Name.EndsWith("_token", StringComparison.Ordinal) || p.Name == "additional_special_tokens")
            .SelectMany(p => p.Value.ValueKind == JsonValueKind.Array ? p.Value.EnumerateArray() : (IEnumerable<JsonElement>)[p.Value])
            .Select(v => v.ValueKind == JsonValueKind.Object && v.TryGetProperty("content", out var content) ? content : v)
            .Where(v => v.ValueKind == JsonValueKind.String).Select(v => TokenizerFile.Text(path, "a special token", v));

    private static TokenizerException Wrong(string path, string token, string id) =>
        new(path, $"has an added token {DisplayText.QuotedName(token)} with the id {DisplayText.QuotedName(id)}; "
            + $"ids are whole numbers from 0 to {AddedToken.MostIds - 1}: download it again.");
}
