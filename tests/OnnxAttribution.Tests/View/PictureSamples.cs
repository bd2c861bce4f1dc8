using System.Text.Json.Nodes;
using OnnxAttribution.Store;
using OnnxAttribution.View;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.View;

/// <summary>Pictures of runs that need no model and no disk.</summary>
internal static class PictureSamples
{
    /// <summary>Texts that break out of one format or another, or that a format cannot hold.</summary>
    public static readonly string[] HostileTokens =
    [
        "</script><img src=x onerror=alert(1)>", "\"quoted\" and 'single'", "back\\slash\\", "\0nul\u0001\u001f", "lone\rreturn",
        "line\nfeed", "tab\there", "😀👩‍👩‍👧", "]]><![CDATA[", "&amp; &#0; &lt;", "half \ud800 pair", "\ufffe\uffff", "\u202eturned",
        "}; digraph {", new string('x', 5_000), "", "   ", "(p=1) \"(p=2)\"", "\u2028\u2029\u0085",
    ];

    public static RunPicture Of(IReadOnlyList<NodeRow> nodes, IReadOnlyList<CausalEdge> edges, JsonObject? facts = null,
        int? metricPosition = 0, PictureLimits? limits = null) =>
        RunPicture.Of("runs/a sample", new StoredRun(nodes, edges.ToArray(), edges.Any(e => e.Down == CausalEdge.Metric)
            ? metricPosition
            : null, (facts ?? Facts("x")).ToRecord()), new Dictionary<(string, int, int), float>(), limits ?? new PictureLimits());

    /// <summary>A token of every hostile kind, with a feature and an error node at each, and the first as the prompt's target.</summary>
    public static RunPicture Hostile()
    {
        var nodes = HostileTokens.SelectMany((t, p) =>
            (NodeRow[])[Row("blocks.0.hook_resid_pre", p, t, 5, 0.5f - p), Row("blocks.0.hook_mlp_out", p, t, NodeRow.Error, p - 3.25f)])
            .ToList();
        var edges = HostileTokens.SelectMany((_, p) => (CausalEdge[])[new(2 * p, (2 * p) + 1, float.NaN, 0.25f * (p + 1)),
            new((2 * p) + 1, CausalEdge.Metric, float.NaN, -0.125f * (p + 1))])
            .ToList();
        var facts = Facts(string.Concat(HostileTokens));
        (facts["target"], facts["foil"], facts["target_id"]) = (HostileTokens[0], HostileTokens[17], 17);
        facts["token_strings"] = new JsonArray([.. HostileTokens.Select(t => (JsonNode)t)]);
        return Of(nodes, edges, facts, HostileTokens.Length - 1);
    }

    /// <summary>One node, no edge.</summary>
    public static RunPicture Single() => Of([Row("blocks.0.hook_resid_pre", 0, "a", 0, 1)], []);

    /// <summary>A run that has kept nothing: the metric alone.</summary>
    public static RunPicture Empty() => Of([], []);

    /// <summary>Effects that the run does not say, of a node and of an edge.</summary>
    public static RunPicture Unknown() => Of(
        [Row("blocks.0.hook_resid_pre", 0, "a", 0, float.NaN), Row("blocks.1.hook_resid_pre", 0, "a", 1, 2)],
        [new(0, 1, 1, float.NaN), new(1, CausalEdge.Metric, float.NaN, 3)]);

    /// <summary>Three sites of a layer that have a feature of the same number, and error nodes, at several positions.</summary>
    public static RunPicture SameNumbers()
    {
        string[] sites = ["blocks.0.hook_resid_pre", "blocks.0.hook_attn_out", "blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre"];
        var nodes = sites.SelectMany(s => Enumerable.Range(0, 3)
            .SelectMany(p => (NodeRow[])[Row(s, p, "t", NodeRow.Error, 1), Row(s, p, "t", 0, 2), Row(s, p, "t", 1, -2)])).ToList();
        return Of(nodes, [.. Enumerable.Range(0, 9).Select(i => new CausalEdge(i, i + 9, 1, i + 1))]);
    }

    /// <summary>Nodes at no position beside nodes at positions, as <c>ablate</c> leaves them.</summary>
    public static RunPicture Mixed()
    {
        var nodes = Enumerable.Range(-1, 4)
            .SelectMany(p => (NodeRow[])[Row("blocks.0.hook_resid_pre", p, "", 1, 1), Row("blocks.1.hook_resid_pre", p, "", 2, -1)])
            .ToList();
        var facts = Facts("abc");
        facts["kind"] = "ablation";
        facts["token_strings"] = new JsonArray("a", "b", "c");
        return Of(nodes, [new(0, 3, float.NaN, 2), new(1, CausalEdge.Metric, float.NaN, -3)], facts, 2);
    }

    /// <summary>As large as is drawn at most: 37 sites, 30 positions.</summary>
    public static RunPicture Large(int nodes = 2_000, int edges = 10_000)
    {
        var random = new Random(1);
        string Name(int i) => i == 36
            ? "blocks.11.hook_resid_post"
            : $"blocks.{i / 3}.{(string[])["hook_resid_pre", "hook_attn_out", "hook_mlp_out"] switch { var k => k[i % 3] }}";
        var rows = Enumerable.Range(0, nodes)
            .Select(i => Row(Name(i * 37 / nodes), random.Next(30), "tok", i % 11 == 0 ? NodeRow.Error : i, random.NextSingle() - 0.5f))
            .DistinctBy(n => (n.Site, n.Position, n.Feature))
            .ToList();
        var site = rows.Select(r => r.Site).Distinct().Select((s, i) => (s, i)).ToDictionary(p => p.s, p => p.i);
        var found = new List<CausalEdge>();
        while (found.Count < edges)
        {
            var (u, d) = (random.Next(rows.Count), random.Next(rows.Count));
            if (site[rows[u].Site] < site[rows[d].Site]) found.Add(new CausalEdge(u, d, 1, random.NextSingle() - 0.5f));
        }
        return Of(rows, found, limits: new PictureLimits(nodes, edges));
    }

    public static NodeRow Row(string site, int position, string token, int feature, float effect)
    {
        var s = OnnxAttribution.Bundles.Site.Parse(site);
        return new NodeRow(site, s.Layer, s.KindName, position, token, feature, 1.5f, 0.25f,
            feature == NodeRow.Error ? float.NaN : 0.5f, effect, true);
    }

    public static JsonObject Facts(string prompt) =>
        new()
        {
            ["prompt"] = prompt,
            ["metric"] = "logit",
            ["clean_metric"] = 1.5,
            ["model"] = "m",
            ["version"] = "0",
            ["top_tokens"] = new JsonArray()
        };
}
