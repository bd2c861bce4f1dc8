namespace OnnxAttribution.Dashboards;

/// <summary>How far the reading of a text has come.</summary>
/// <param name="Stage">What is going on.</param>
/// <param name="Share">Of the whole work, 0 to 1; NaN where it is not known.</param>
/// <param name="Tokens">Read so far in this pass over the text, by this process and the one it goes on from.</param>
/// <param name="TokensPerSecond">Of this process.</param>
/// <param name="Remaining">Guessed from the share done; null where it cannot be.</param>
internal readonly record struct FeatureProgress(string Stage, double Share, long Tokens, double TokensPerSecond, TimeSpan? Remaining);
