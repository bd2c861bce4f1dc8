namespace OnnxAttribution.Dashboards;

/// <summary>What a reading of a text for dashboards has done.</summary>
/// <param name="File">Absolute path of the table.</param>
/// <param name="Features">Rows written.</param>
/// <param name="Dead">Of them, never active on the text.</param>
/// <param name="Sites">Names, in the order of computation.</param>
/// <param name="Tokens">Tokens read, BOS positions not counted.</param>
/// <param name="ResumedAt">Tokens that an interrupted run had read, in the same pass; 0: begun anew.</param>
/// <param name="Passes">Passes over the text: one where the statistics of all sites fit the memory.</param>
/// <param name="ReadSeconds">Reading the text, by this process.</param>
/// <param name="WriteSeconds">Promoted tokens, nearest features, and the file.</param>
/// <param name="TokensPerSecond">While reading, by this process.</param>
internal sealed record FeatureSummary(
    string File, int Features, int Dead, IReadOnlyList<string> Sites, long Tokens, long Documents, long Sequences, long ResumedAt,
    int Passes, double ReadSeconds, double WriteSeconds, double TokensPerSecond);
