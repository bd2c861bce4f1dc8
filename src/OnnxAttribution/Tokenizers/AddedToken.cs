namespace OnnxAttribution.Tokenizers;

/// <summary>A token that is found in the text as it stands, before anything is cut or merged.</summary>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="StripsLeft">Takes the white space before it.</param>
/// <param name="StripsRight">Takes the white space behind it.</param>
/// <param name="IsNormalized">Looked for in the normalized text, normalized itself.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool StripsLeft, bool StripsRight, bool IsNormalized)
{
    /// <summary>Ids are below; a larger one is damage, and would make a table of that length.</summary>
    public const int MostIds = 1 << 22;
}
