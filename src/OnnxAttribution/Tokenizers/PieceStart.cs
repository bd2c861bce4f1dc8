namespace OnnxAttribution.Tokenizers;

/// <summary>Where a part of a text stands: some tokenizers write a space before the first word.</summary>
internal enum PieceStart
{
    /// <summary>At the very beginning of a text.</summary>
    Text,

    /// <summary>First of what was given, which goes on with a text that was tokenized before: no space is written.</summary>
    Continuation,

    /// <summary>Behind another part.</summary>
    Inner,
}
