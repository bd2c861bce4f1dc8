namespace OnnxAttribution.Tokenizers;

/// <summary>Rewrites a text before it is cut; never given an empty one.</summary>
internal delegate string Normalizer(string text, PieceStart start);
