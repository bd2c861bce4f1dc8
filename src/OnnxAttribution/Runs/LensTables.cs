using OnnxAttribution.Files;
using OnnxAttribution.Lenses;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>What a lens shows as tables.</summary>
internal static class LensTables
{
    /// <param name="tokens">Of the one prompt; of a mean not read.</param>
    /// <param name="text">Of a token id.</param>
    public static Dictionary<string, StoredTable> Of(IReadOnlyList<LensReading> readings, IReadOnlyList<LensSummand> summands,
        IReadOnlyList<int> tokens, Func<int, string> text)
    {
        var tables = new Dictionary<string, StoredTable>
        {
            [LensRow.Table] = RowTable.Of(readings.Select(r =>
                new LensRow(r.Site, r.Depth, r.Position, r.Position is { } p ? text(tokens[p]) : null, r.Value))),
        };
        if (readings.Any(r => r.Tokens.Count > 0)) tables[LensTokenRow.Table] = RowTable.Of(readings.SelectMany(r => Tokens(r, text)));
        if (summands.Count > 0) tables[SummandRow.Table] = RowTable.Of(summands.Select(RowOf));
        return tables;
    }

    private static IEnumerable<LensTokenRow> Tokens(LensReading reading, Func<int, string> text) => reading.Tokens.Select((t, i) =>
        new LensTokenRow(reading.Site, reading.Depth, reading.Position!.Value, i + 1, text(t.Token), t.Token, t.Logit, t.Probability));

    private static SummandRow RowOf(LensSummand s) =>
        new(NameOf(s.Kind), s.Name, s.Of, s.Layer, s.Head, s.Feature, s.Activation, s.Value);

    /// <summary>As the table names a kind.</summary>
    public static string NameOf(SummandKind kind) => kind switch
    {
        SummandKind.PosEmbed => "pos_embed",
        SummandKind.NormBias => "norm_bias",
        SummandKind.HeadBias => "head_bias",
        SummandKind.DictionaryBias => "dictionary_bias",
        _ => EnumName.Of(kind),
    };
}
