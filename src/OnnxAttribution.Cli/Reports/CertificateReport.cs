using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>graph --certify</c> and <c>validate --bound</c> print of one run.</summary>
/// <param name="run">run.json, <c>certificate</c> in it.</param>
/// <param name="seconds">From the start of the verb to here.</param>
internal sealed class CertificateReport(GraphRunRecord run, string directory, double seconds)
{
    private readonly CertificateRecord _certificate = run.Certificate!;

    public JsonObject ToJson() =>
        new() { ["run"] = directory, ["certificate"] = RunJson.ToObject(_certificate), ["seconds_in_all"] = seconds };

    public void Print(TextWriter output)
    {
        PrintTables(output);
        output.WriteLine($"wrote {Path.Combine(directory, "certificate.parquet")} and 'certificate' in run.json");
        output.WriteLine($"time {seconds:0.00} s, {_certificate.RuntimeCalls} runtime calls");
    }

    /// <summary>All but what was written and how long it took.</summary>
    public void PrintTables(TextWriter output)
    {
        var table = CertificateTable.Of(run)!;
        output.WriteLine(table.Words);
        var console = Screen.On(output);
        var missed = Screen.Table("What was left out", ["", .. CertificateTable.Columns.Select(c => "#" + c)]);
        foreach (var (name, figures) in table.Rows) missed.AddRow([name, .. figures]);
        console.Show(missed, mayDrop: 1);
        if (_certificate.Subsets.Count > 0)
        {
            var subsets = Screen.Table("Subsets of them, patched at once", "#nodes in one", "#subsets", "#no effect above");
            foreach (var s in _certificate.Subsets)
            {
                subsets.AddRow($"{s.Nodes:N0}", $"{s.Rows:N0}", Screen.Number(s.Bound));
            }
            console.Write(subsets);
        }
        if (_certificate.UnmatchedNodes is > 0 and var unmatched)
        {
            output.WriteLine($"{unmatched:N0} nodes are active only in the run or only in its repetition, "
                + "at their thresholds; nothing is said of them");
        }
    }
}
