using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.View.Figures;

/// <summary>Run directories with tables made by hand, NULLs and hostile tokens included.</summary>
internal static class FigureRuns
{
    public const string Hostile = "</text><script>alert(1)</script>";

    public static string Write(TemporaryDirectory at, string name = "run", IReadOnlyList<NodeRow>? nodes = null)
    {
        nodes ??=
        [
            PictureSamples.Row("blocks.0.hook_resid_pre", 0, Hostile, 3, -2), PictureSamples.Row("blocks.0.hook_resid_pre", 1, " b", 4, 1),
            PictureSamples.Row("blocks.0.hook_resid_pre", 1, " b", NodeRow.Error, -0.5f), PictureSamples.Row("blocks.0.hook_attn_out", 0,
                "\0", 3, 0.25f), PictureSamples.Row("blocks.1.hook_resid_pre", 0, "a", 8, float.NaN),
            PictureSamples.Row("blocks.1.hook_resid_pre", 0, "a", 9, -3),
        ];
        var facts = PictureSamples.Facts("ab" + Hostile);
        facts["options"] = new JsonObject { ["estimator"] = "gradient" };
        RunDirectory.Write(at[name], new RunContents(nodes, [], 1, facts.ToRecord()), force: false);
        return at[name];
    }

    /// <param name="rows">Exact and approximate effects of nodes; NaN is NULL.</param>
    public static void AddValidation(string run,
        params ReadOnlySpan<(string Check, string Estimator, int Feature, float Exact, float Approximate)> rows)
    {
        var table = new StoredTable(new("check", StoredType.Varchar), new("estimator", StoredType.Varchar),
            new("up_site", StoredType.Varchar), new("up_position", StoredType.Integer), new("up_feature", StoredType.Integer),
            new("down_site", StoredType.Varchar), new("down_position", StoredType.Integer), new("down_feature", StoredType.Integer),
            new("approx_effect", StoredType.Float), new("exact_effect", StoredType.Float));
        foreach (var (check, estimator, feature, exact, approximate) in rows)
        {
            var isEdge = check == "edge";
            table.Add(check, estimator, "blocks.0.hook_attn_out", 1, feature, isEdge ? "metric" : (string?)null, isEdge ? 1 : (int?)null,
                isEdge ? -1 : (int?)null, approximate, exact);
        }
        RunDirectory.Annotate(run, "validation", table, new RunAddition());
    }

    public static StoredTable Curve(int positions, int steps, string token = "tok")
    {
        var table = new StoredTable(new("coefficient", StoredType.Double), new("position", StoredType.Integer),
            new("token", StoredType.Varchar), new("activation", StoredType.Float), new("line", StoredType.Float),
            new("up_site", StoredType.Varchar), new("up_feature", StoredType.Integer), new("down_site", StoredType.Varchar),
            new("down_feature", StoredType.Integer), new("switched", StoredType.Boolean), new("cause", StoredType.Varchar));
        for (var i = 0; i < steps; i++)
        {
            for (var p = 0; p < positions; p++)
            {
                table.Add(i / 4.0, p, token, p == 0 ? 1f : p * (float)Math.Sqrt(i), p + (i * 0.25f), "blocks.1.hook_resid_pre", 133,
                    "blocks.3.hook_mlp_out", 226, i == 2 && p == 1, i == 2 && p == 1 ? $"a head turns to {token}" : null);
            }
        }
        return table;
    }

    /// <summary>Two prompts, one panel per rule, random circuits; one prompt's ratios are NULL at one size.</summary>
    public static StoredTable Faithfulness()
    {
        var table = new StoredTable(new("prompt_id", StoredType.Varchar), new("ablation", StoredType.Varchar), new("errors",
            StoredType.Varchar), new("circuit", StoredType.Varchar), new("control", StoredType.Integer), new("nodes", StoredType.Integer),
            new("faithfulness", StoredType.Double), new("completeness", StoredType.Double));
        foreach (var rule in (string[])["keep", "nodes"])
        {
            foreach (var prompt in (string[])["one", "two"])
            {
                foreach (var k in (int[])[0, 1, 10, 100])
                {
                    var share = k / 100.0;
                    table.Add(prompt, "zero", rule, "top", (int?)null, k, prompt == "two" && k == 10 ? double.NaN : share,
                        prompt == "two" && k == 10 ? double.NaN : 1 - share);
                    for (var c = 0; c < 3; c++) table.Add(prompt, "zero", rule, "random", c, k, share * 0.1 * (c + 1), 1 - (share * 0.1));
                }
            }
        }
        return table;
    }
}
