using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>How large what a graph has left out can be, as a table of texts: what <c>graph --certify</c> prints and the page
/// shows.</summary>
internal sealed class CertificateTable
{
    private CertificateTable(string words, IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> rows) =>
        (Words, Rows) = (words, rows);

    /// <summary>Of <see cref="Rows"/>' figures.</summary>
    public static IReadOnlyList<string> Columns { get; } =
        ["dropped", "measured", "largest", "none above", "threshold", "share above", "share above the largest"];

    /// <summary>Such as <c>left out, with 95 % confidence (seed 0; 875 rows were patched)</c>.</summary>
    public string Words { get; }

    /// <summary>Nodes, and edges.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<string> Figures)> Rows { get; }

    /// <returns>null where the run has no certificate.</returns>
    public static CertificateTable? Of(RunRecord run)
    {
        if (run.Certificate is not { } certificate) return null;
        var rows = new List<(string, IReadOnlyList<string>)>();
        if (certificate.Nodes is { } nodes) rows.Add(("nodes", Figures(nodes)));
        if (certificate.Edges is { } edges) rows.Add(("edges", Figures(edges)));
        var model = certificate.Model is null or ValidationRow.Real ? "" : $", in the {certificate.Model} model";
        return new CertificateTable($"left out{model}, with {NumberText.Of(100 * certificate.Confidence)} % confidence "
            + $"(seed {certificate.Seed}; {NumberText.Count(certificate.Rows, "row")} patched)", rows);
    }

    private static IReadOnlyList<string> Figures(MissedRecord m) =>
    [
        NumberText.Count(m.Dropped), NumberText.Count(m.Measured), NumberText.Of(m.Largest), NumberText.Of(m.Bound),
        NumberText.Of(m.Threshold), AtMost(m.ShareBound), AtMost(m.LargerShareBound),
    ];

    private static string AtMost(double share) => $"≤ {NumberText.Percent(share)}";
}
