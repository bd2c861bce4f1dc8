using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Documents;

/// <summary>The page on run.json says what the records say.</summary>
public class RecordPagesTests
{
    [Fact]
    public void The_page_on_run_json_is_made_from_its_records()
    {
        var page = new RecordPage();
        page.Heading("run.json", 1);
        page.Paragraph("Every run directory has a `run.json`: what was asked, what came out, and what it took. What is no number (NaN) "
            + "is null. `query` has its top-level texts, numbers and booleans as the view `runs`. Keys that a version does not know "
            + "are kept.");
        page.Paragraph("Made from the records and the comments on them by a test; do not edit.");
        RunJson json = RunJson.Default;
        page.Section("A run of graph", json.GraphRunRecord);
        page.Section("The mean of a batch", json.MergedRunRecord);
        page.Section("A run of ablate", json.AblationRunRecord, "ablate ");
        page.Section("clusters.json", json.ClusterRecord, "clusters.json ");
        page.Section("lens.json", json.LensRecord, "lens.json ");
        page.Section("patching.json", json.PatchRecord, "patching.json ");
        MadeDocument.Holds("docs/reference/run-json.md", page.ToString());
    }
}
