namespace OnnxAttribution.Tokenizers;

/// <summary>Cuts a piece into further pieces, none of them empty, within which tokens are merged.</summary>
internal delegate void PreTokenizer(ReadOnlyMemory<char> piece, PieceStart start, List<ReadOnlyMemory<char>> into);
