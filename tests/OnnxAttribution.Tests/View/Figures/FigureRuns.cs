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
        var table = new List<ValidationRow>();
        foreach (var (check, estimator, feature, exact, approximate) in rows)
        {
            var isEdge = check == "edge";
            table.Add(new ValidationRow(check, "kept", estimator, "blocks.0.hook_attn_out", 1, feature, isEdge ? "metric" : null,
                isEdge ? 1 : null, isEdge ? -1 : null, float.NaN, float.NaN, approximate, exact));
        }
        RunDirectory.Annotate(run, "validation", RowTable.Of(table), new RunAddition());
    }

    /// <summary>Two estimators with a cost, one without, and one that nothing was checked of.</summary>
    public static void AddCosts(string run)
    {
        var agreement = new AgreementRecord { Count = 100, Top = 10 };
        var validation = new ValidationRecord
        {
            Nodes = agreement,
            Edges = agreement,
            Changes = agreement,
            ByKind = [],
            ByStratum = [],
            CostRecall =
            [
                new("gradient", 2, 3, [1, 2, 90]), new("atpstar", 12.5, 3, [1, 2, 3]), new("exact", null, 3, [1, 2, 3]),
                new("ig", 60, 0, []),
            ],
        };
        var rows = new ValidationRow("node", "kept", "gradient", "blocks.0.hook_attn_out", 1, 1, null, null, null, float.NaN, float.NaN,
            1, 2);
        RunDirectory.Annotate(run, "validation", RowTable.Of([rows]), new RunAddition { Validation = validation });
    }

    public static StoredTable Curve(int positions, int steps, string token = "tok")
    {
        var rows = new List<CurveRow>();
        for (var i = 0; i < steps; i++)
        {
            for (var p = 0; p < positions; p++)
            {
                rows.Add(new CurveRow(i / 4.0, p, token, p == 0 ? 1f : p * (float)Math.Sqrt(i), p + (i * 0.25f), "blocks.1.hook_resid_pre",
                    133, "blocks.3.hook_mlp_out", 226, i == 2 && p == 1, i == 2 && p == 1 ? $"a head turns to {token}" : null));
            }
        }
        return RowTable.Of(rows);
    }

    /// <summary>A directory of a lens, of a prompt of hostile tokens, with heads.</summary>
    public static string Lens(TemporaryDirectory at)
    {
        var record = new LensRecord
        {
            Prompt = Hostile,
            TokenStrings = [Hostile, Hostile],
            Metric = "logit-diff",
            Position = 1,
            Target = Hostile,
            Foil = Hostile,
            Scale = "final",
            Value = 2,
            Sum = 2,
            Miss = 0,
            Model = Hostile,
        };
        string[] sites = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_mid", "blocks.0.hook_resid_post"];
        var readings = sites.Select((s, i) => new LensRow(s, i / 2.0, 1, Hostile, i == 1 ? double.NaN : i - 0.5));
        var summands = Enumerable.Range(0, 3).Select(i => new SummandRow("attn", $"{i}.attn", null, i, null, null, float.NaN, 1 - i))
            .Append(new SummandRow("head", "0.0", "0.attn", 0, 0, null, float.NaN, -2))
            .Append(new SummandRow("head", "0.1", "0.attn", 0, 1, null, float.NaN, 3));
        var tables = new Dictionary<string, StoredTable>
        {
            [LensRow.Table] = RowTable.Of(readings),
            [SummandRow.Table] = RowTable.Of(summands),
        };
        LensDirectory.Write(at["lens"], true, new(LensDirectory.ToObject(record), tables), TestContext.Current.CancellationToken);
        return at["lens"];
    }

    /// <summary>A directory of a trace, of hostile tokens, with a feature that is on at one position.</summary>
    public static string Trace(TemporaryDirectory at)
    {
        var record = new TraceRecord
        {
            Prompt = Hostile,
            Tokens = [1, 2],
            TokenStrings = [Hostile, Hostile],
            Along = "0:3",
            Model = Hostile,
        };
        var rows = Enumerable.Range(0, 4).Select(i => new TraceRow(i / 2, i % 2, Hostile, i, 1, -0.5, i + 0.5));
        TraceFeatureRow[] features = [new("blocks.0.hook_resid_pre", 3, 1, 0, 2), new("blocks.0.hook_resid_pre", 3, 1, 1, 0)];
        var tables = new Dictionary<string, StoredTable>
        {
            [TraceRow.Table] = RowTable.Of(rows),
            [TraceFeatureRow.Table] = RowTable.Of(features),
        };
        TraceDirectory.Write(at["trace"], true, new(TraceDirectory.ToObject(record), tables),
            TestContext.Current.CancellationToken);
        return at["trace"];
    }

    /// <summary>A directory of activation patching, of streams and heads, with a hostile token and a score that is NULL.</summary>
    public static string Patching(TemporaryDirectory at)
    {
        var rows = new List<PatchRow>();
        for (var i = 0; i < 4; i++)
        {
            rows.Add(new PatchRow("resid", "a", i / 2, null, i % 2, Hostile, null, i - 1.5, i, double.NaN));
            rows.AddRange(((string[])["z", "v"]).Select(w => new PatchRow(w, "b", i / 2, i % 2, null, null, null, i - 1, i, double.NaN)));
            rows.Add(new PatchRow("q", "c", i / 2, i % 2, 1, null, null, i == 3 ? double.NaN : i, i, double.NaN));
        }
        var record = new PatchRecord
        {
            What = ["resid", "z", "v", "q"],
            Direction = "noising",
            Metric = "logit",
            Tokens = [Hostile, null],
            Prompts = [new(Hostile, Hostile, "b", "c", null, 1, 0)],
            Model = Hostile,
        };
        PatchDirectory.Write(at["patching"], force: true, record, RowTable.Of(rows), TestContext.Current.CancellationToken);
        return at["patching"];
    }

    /// <summary>Two prompts, one panel per rule, random circuits; one prompt's ratios are NULL at one size.</summary>
    public static StoredTable Faithfulness()
    {
        var rows = new List<FaithfulnessRow>();
        foreach (var rule in (string[])["keep", "nodes"])
        {
            foreach (var prompt in (string[])["one", "two"])
            {
                foreach (var k in (int[])[0, 1, 10, 100])
                {
                    var share = k / 100.0;
                    var isKnown = prompt != "two" || k != 10;
                    rows.Add(Row(prompt, rule, null, k, isKnown ? (share, 1 - share) : (double.NaN, double.NaN)));
                    for (var c = 0; c < 3; c++) rows.Add(Row(prompt, rule, c, k, (share * 0.1 * (c + 1), 1 - (share * 0.1))));
                }
            }
        }
        return RowTable.Of(rows);

        static FaithfulnessRow Row(string prompt, string errors, int? control, int nodes, (double Faithfulness, double Completeness) of) =>
            new(prompt, "zero", errors, control is null ? "top" : "random", control, nodes, nodes / 100.0, 0, 0, 0, 1, of.Faithfulness,
                of.Completeness);
    }
}
