using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using OnnxAttribution.Dashboards;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>What the page's script draws, as JSON: the contract is <c>page/contract.ts</c>.
/// Safe within a script element: every &lt; is escaped.</summary>
internal sealed class PageData
{
    // all of a card's contexts where few features are drawn; fewer where many are, so that a page stays below 5 MB
    private const int ContextBudget = 6_000, MostContexts = 12, LeastContexts = 3, ShownLogits = 10, ShownNear = 5;

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    private readonly RunPicture _picture;
    private readonly IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> _cards;
    private readonly PageStrings _strings = new();
    private readonly Dictionary<(string Site, int Feature), int> _features = [];
    private readonly int _contexts;

    private PageData(RunPicture picture, IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> cards)
    {
        (_picture, _cards) = (picture, cards);
        foreach (var n in picture.Nodes.Where(n => !n.IsMetric)) _features.TryAdd((n.Site!.Name, n.Feature), _features.Count);
        _contexts = Math.Clamp(ContextBudget / Math.Max(1, _features.Count), LeastContexts, MostContexts);
    }

    public static string Json(RunPicture picture, DashboardCards cards)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, s_options)) new PageData(picture, cards.Cards).Write(json, cards.Note);
        return System.Text.Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    private void Write(Utf8JsonWriter json, string? note)
    {
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        json.WriteString("title", _picture.Header.Title);
        WriteRun(json, note);
        WriteLayout(json, out var layout);
        WriteSites(json);
        WriteFeatures(json);
        WriteNodes(json, layout);
        WriteEdges(json);
        WriteValidation(json);
        WriteArray(json, "strings", _strings.All, json.WriteStringValue);   // the last, when all are known
        json.WriteEndObject();
    }

    private void WriteRun(Utf8JsonWriter json, string? note)
    {
        var h = _picture.Header;
        json.WriteStartObject("run");
        json.WriteString("prompt", h.Prompt);
        json.WriteString("patchPrompt", h.PatchPrompt);
        WriteArray(json, "tokens", h.Tokens, json.WriteStringValue);
        WriteArray(json, "patchTokens", h.PatchTokens, json.WriteStringValue);
        json.WriteString("metric", h.MetricWords);
        json.WriteString("target", h.Target);
        json.WriteString("foil", h.Foil);
        json.WriteNumber("position", _picture.Nodes[_picture.Metric].Position);
        WriteNumber(json, "clean", h.CleanMetric);
        WriteNumber(json, "patch", h.PatchMetric);
        WriteArray(json, "top", h.TopTokens, t => WritePair(json, () => json.WriteStringValue(t.Token), t.Probability));
        WriteArray(json, "options", h.Options, o => WriteStrings(json, o.Name, o.Value));
        json.WriteString("command", h.CommandLine);
        WriteNumber(json, "explained", h.ExplainedByFeatures);
        json.WriteString("model", h.Model);
        json.WriteBoolean("aggregated", _picture.IsAggregated);
        json.WriteBoolean("ablation", h.IsAblation);
        WriteNumber(json, "coefficient", h.Coefficient);
        json.WriteBoolean("patched", h.IsPatched);
        json.WriteBoolean("merged", h.IsMerged);
        json.WriteNumber("nodes", _picture.Stored.Nodes.Count);
        json.WriteNumber("kept", _picture.KeptNodes);
        json.WriteNumber("storedEdges", _picture.Stored.Edges.Length);
        json.WriteString("finished", h.FinishedAt);
        json.WriteString("version", h.Version);
        json.WriteBoolean("dashboards", _cards.Count > 0);
        json.WriteString("note", note);
        json.WriteEndObject();
    }

    private void WriteLayout(Utf8JsonWriter json, out PictureLayout layout)
    {
        layout = PictureLayout.Of(_picture);
        json.WriteStartObject("layout");
        WriteNumber(json, "width", layout.Width);
        WriteNumber(json, "height", layout.Height);
        WriteNumber(json, "boxWidth", PictureLayout.BoxWidth);
        WriteNumber(json, "boxHeight", PictureLayout.BoxHeight);
        WriteArray(json, "rows", layout.Rows, r =>
        {
            json.WriteStartObject();
            json.WriteString("label", r.Label);
            WriteNumber(json, "top", r.Top);
            WriteNumber(json, "bottom", r.Bottom);
            json.WriteEndObject();
        });
        WriteArray(json, "columns", layout.Columns, c =>
        {
            json.WriteStartObject();
            json.WriteString("label", c.Label);
            if (c.Position is { } position) json.WriteNumber("position", position);
            else json.WriteNull("position");
            WriteNumber(json, "left", c.Left);
            WriteNumber(json, "right", c.Right);
            json.WriteEndObject();
        });
        json.WriteEndObject();
    }

    private void WriteSites(Utf8JsonWriter json) => WriteArray(json, "sites", _picture.Sites, s =>
    {
        json.WriteStartObject();
        json.WriteString("name", s.Name);
        json.WriteString("short", s.ShortName);
        json.WriteString("kind", s.KindName);
        json.WriteString("neuronpedia", _picture.Header.NeuronpediaId(s.Name));
        json.WriteEndObject();
    });

    private void WriteFeatures(Utf8JsonWriter json)
    {
        var sites = _picture.Sites.Select((s, i) => (s.Name, i)).ToDictionary(p => p.Name, p => p.i);
        var activations = _picture.Stored.Nodes.Where(n => _features.ContainsKey((n.Site, n.Feature))).ToLookup(n => (n.Site, n.Feature));
        WriteArray(json, "features", _features.OrderBy(f => f.Value).Select(f => f.Key), f =>
        {
            json.WriteStartObject();
            json.WriteNumber("site", sites[f.Site]);
            json.WriteNumber("feature", f.Feature);
            WriteArray(json, "acts", activations[f].Where(n => n.Position >= 0),
                n => WritePair(json, () => json.WriteNumberValue(n.Position), n.Activation));
            if (_cards.TryGetValue(f, out var card)) WriteCard(json, card);
            else json.WriteNull("card");
            json.WriteEndObject();
        });
    }

    private void WriteCard(Utf8JsonWriter json, FeatureDashboard card)
    {
        json.WriteStartObject("card");
        WriteNumber(json, "rate", card.FiringRate);
        WriteNumber(json, "mean", card.MeanActivation);
        WriteNumber(json, "max", card.MaxActivation);
        WriteArray(json, "hist", card.Histogram, json.WriteNumberValue);
        WriteArray(json, "ctx", Shown(card.Contexts), c =>
        {
            json.WriteStartObject();
            json.WriteNumber("q", c.Quantile);
            json.WriteNumber("peak", c.Peak);
            WriteArray(json, "t", c.Tokens, t => json.WriteNumberValue(_strings.IndexOf(t)));
            WriteArray(json, "a", c.Activations.Index().Where(a => a.Item != 0),
                a => WritePair(json, () => json.WriteNumberValue(a.Index), a.Item));
            json.WriteEndObject();
        });
        WriteLogits(json, "up", card.Promoted);
        WriteLogits(json, "down", card.Suppressed);
        WriteArray(json, "near", card.Nearest.Take(ShownNear), n => WritePair(json, () => json.WriteNumberValue(n.Feature), n.Cosine));
        json.WriteEndObject();
    }

    // two thirds from the top, the rest from below
    private IEnumerable<FeatureContext> Shown(IReadOnlyList<FeatureContext> contexts)
    {
        var below = contexts.Where(c => c.Quantile > 0).DistinctBy(c => c.Quantile).Take(_contexts / 3).ToList();
        return contexts.Where(c => c.Quantile == 0).Take(_contexts - below.Count).Concat(below);
    }

    private void WriteLogits(Utf8JsonWriter json, string name, IReadOnlyList<TokenLogit> logits) =>
        WriteArray(json, name, logits.Take(ShownLogits),
            l => WritePair(json, () => json.WriteNumberValue(_strings.IndexOf(l.Token)), l.Logit));

    private void WriteNodes(Utf8JsonWriter json, PictureLayout layout)
    {
        var sites = _picture.Sites.Select((s, i) => (s, i)).ToDictionary(p => p.s, p => p.i);
        WriteArray(json, "nodes", _picture.Nodes.Index(), n =>
        {
            json.WriteStartObject();
            json.WriteNumber("s", n.Item.Site is { } site ? sites[site] : -1);
            json.WriteNumber("p", n.Item.Position);
            json.WriteNumber("f", n.Item.Site is { } of ? _features[(of.Name, n.Item.Feature)] : -1);
            WriteNumber(json, "x", layout.X[n.Index]);
            WriteNumber(json, "y", layout.Y[n.Index]);
            WriteNumber(json, "a", n.Item.Activation);
            WriteNumber(json, "pa", n.Item.PatchActivation);
            WriteNumber(json, "g", n.Item.Gradient);
            WriteNumber(json, "e", n.Item.Effect);
            WriteNumber(json, "x_e", n.Item.ExactEffect);
            json.WriteString("l", n.Item.ShortLabel);
            json.WriteString("t", n.Item.Label);
            json.WriteEndObject();
        });
    }

    private void WriteEdges(Utf8JsonWriter json)
    {
        json.WriteStartObject("edges");
        WriteArray(json, "up", _picture.Edges, e => json.WriteNumberValue(e.Up));
        WriteArray(json, "down", _picture.Edges, e => json.WriteNumberValue(e.Down));
        WriteArray(json, "jac", _picture.Edges, e => WriteNumber(json, e.Jacobian));
        WriteArray(json, "eff", _picture.Edges, e => WriteNumber(json, e.Effect));
        WriteArray(json, "met", _picture.Edges, e => WriteNumber(json, e.OnMetric));
        WriteArray(json, "act", _picture.Edges, e => WriteNumber(json, e.OnDownstream));
        json.WriteEndObject();
    }

    private void WriteValidation(Utf8JsonWriter json)
    {
        if (ValidationTable.Of(_picture.Stored.Record) is not { } table)
        {
            json.WriteNull("validation");
            return;
        }
        json.WriteStartObject("validation");
        json.WriteString("text", table.Words);
        WriteArray(json, "columns", ValidationTable.Columns.Prepend(""), json.WriteStringValue);
        WriteArray(json, "rows", table.Rows, r => WriteStrings(json, [r.Name, .. r.Figures]));
        json.WriteEndObject();
    }

    private static void WriteArray<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (var item in items) write(item);
        json.WriteEndArray();
    }

    private static void WritePair(Utf8JsonWriter json, Action first, double second)
    {
        json.WriteStartArray();
        first();
        WriteNumber(json, second);
        json.WriteEndArray();
    }

    private static void WriteStrings(Utf8JsonWriter json, params ReadOnlySpan<string> texts)
    {
        json.WriteStartArray();
        foreach (var text in texts) json.WriteStringValue(text);
        json.WriteEndArray();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double value)
    {
        json.WritePropertyName(name);
        WriteNumber(json, value);
    }

    // five digits: nobody reads more off a picture, and the Parquet has them
    private static void WriteNumber(Utf8JsonWriter json, double value)
    {
        if (double.IsFinite(value)) json.WriteRawValue(value.ToString("G5", CultureInfo.InvariantCulture), skipInputValidation: true);
        else json.WriteNullValue();
    }
}
