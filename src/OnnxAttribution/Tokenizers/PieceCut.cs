namespace OnnxAttribution.Tokenizers;

/// <summary>What becomes of the matches of a pattern, by Hugging Face's names.</summary>
internal enum PieceCut
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}
