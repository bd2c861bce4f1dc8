using System.Text.Encodings.Web;
using System.Text.Json;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

// 1. {"format": "onnx-attribution subgraph", "version": 1, "run": {…}, "pins": [node…], "groups": [{"name", "nodes"}…],
//    "labels": {"3:263": text…}, "notes": text}; run, groups, labels and notes may be left out.
// 2. A node is spelt as on the command line; a label is of a feature, without a position. A node of a group is pinned by being there.
// 3. Whatever else stands in it, stands twice, or is longer than a page would write, is refused by name.

/// <summary>subgraph.json: what the page saves and loads of chosen nodes (<see cref="Subgraph"/>).</summary>
internal static class SubgraphFile
{
    /// <summary>What its <c>format</c> says.</summary>
    public const string Format = "onnx-attribution subgraph";

    /// <summary>Letters of a name or a label, letters of the notes, and nodes at most.</summary>
    public const int MostLetters = 200, MostNotes = 20_000, MostNodes = 10_000;

    private const int Version = 1;
    private const string Mend = "save it again from the page, or mend it by hand";

    /// <summary>Whether JSON is one: an object that has this format.</summary>
    public static bool Is(JsonElement root) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty("format", out var format)
        && format.ValueKind == JsonValueKind.String && format.ValueEquals(Format);

    /// <summary>The JSON of a file, whichever of the formats with a subgraph in it.</summary>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="SubgraphException">It cannot be read, or is no JSON.</exception>
    public static JsonDocument Parse(string path)
    {
        try
        {
            return JsonDocument.Parse(RegularFile.ReadAllBytes(path).AsMemory().TrimMark(),
                new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SubgraphException($"{path} cannot be read as a subgraph: {FileFault.Words(e)}", e);
        }
        catch (JsonException e)
        {
            throw new SubgraphException($"{path} is no subgraph: {JsonFault.Words(e)}; {Mend}", e);
        }
    }

    /// <summary>Reads what <see cref="Parse"/> parsed.</summary>
    /// <param name="root">The whole.</param>
    /// <param name="path">For messages.</param>
    /// <exception cref="SubgraphException">It is none, or what it says cannot be.</exception>
    public static Subgraph Read(JsonElement root, string path)
    {
        try
        {
            return new Reader(path).Read(root);
        }
        catch (InvalidOperationException e)   // a text with half a surrogate pair
        {
            throw new SubgraphException($"{path} is no subgraph: {JsonFault.NoUnicode}; {Mend}", e);
        }
    }

    /// <summary>Writes it as the page does.</summary>
    public static void Write(Subgraph subgraph, Stream output)
    {
        using var json = new Utf8JsonWriter(output, new JsonWriterOptions
        {
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            Indented = true
        });
        json.WriteStartObject();
        json.WriteString("format", Format);
        json.WriteNumber("version", Version);
        if (subgraph.Run is { } run)
        {
            json.WriteStartObject("run");
            foreach (var (name, value) in (ReadOnlySpan<(string, string?)>)[("path", run.Path), ("finished_at", run.FinishedAt),
                ("bundle_sha256", run.BundleSha256), ("prompt", run.Prompt), ("metric", run.Metric)])
            {
                if (value is not null) json.WriteString(name, value);
            }
            json.WriteEndObject();
        }
        Nodes(json, "pins", subgraph.Pins);
        json.WriteStartArray("groups");
        foreach (var group in subgraph.Groups)
        {
            json.WriteStartObject();
            json.WriteString("name", group.Name);
            Nodes(json, "nodes", group.Nodes);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartObject("labels");
        foreach (var label in subgraph.Labels) json.WriteString(FeatureName.Of(label.Site, label.Feature), label.Label);
        json.WriteEndObject();
        json.WriteString("notes", subgraph.Notes);
        json.WriteEndObject();
    }

    private static void Nodes(Utf8JsonWriter json, string name, IReadOnlyList<FeatureName> nodes)
    {
        json.WriteStartArray(name);
        foreach (var node in nodes) json.WriteStringValue(node.Spelling);
        json.WriteEndArray();
    }

    private static ReadOnlyMemory<byte> TrimMark(this Memory<byte> text) =>
        text.Span.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? text[3..] : text;

    private sealed class Reader(string path)
    {
        public Subgraph Read(JsonElement root)
        {
            if (!Is(root)) throw Wrong($"it has no \"format\": \"{Format}\"");
            Known("it", root, ["format", "version", "run", "pins", "groups", "labels", "notes"]);
            if (!root.TryGetProperty("version", out var version) || version.ValueKind != JsonValueKind.Number
                || !version.TryGetInt32(out var number) || number != Version)
            {
                throw new SubgraphException($"{path} is not of version {Version}, which is the only one that is read; "
                    + "save it again from a page of this version");
            }
            var groups = Each(root, "groups").Select((g, i) => Group(g, $"group {i + 1}")).ToList();
            if (groups.GroupBy(g => g.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            {
                throw Wrong($"two groups are named {DisplayText.QuotedName(twice.Key)}");
            }
            if (groups.SelectMany(g => g.Nodes).GroupBy(n => n).FirstOrDefault(n => n.Count() > 1) is { } shared)
            {
                throw Wrong($"{shared.Key.Spelling} is in a group twice, or in two of them");
            }
            var pins = Each(root, "pins").Select((p, i) => Node(p, $"pin {i + 1}")).Concat(groups.SelectMany(g => g.Nodes)).Distinct()
                .ToList();
            if (pins.Count > MostNodes) throw Wrong($"it has {pins.Count:N0} nodes, and {MostNodes:N0} are read at most");
            var notes = root.TryGetProperty("notes", out var said) ? Text(said, "notes", MostNotes) : "";
            return new Subgraph(pins, groups, Labels(root), notes) { Run = Run(root), Source = path };
        }

        private SubgraphGroup Group(JsonElement group, string what)
        {
            if (group.ValueKind != JsonValueKind.Object) throw Wrong($"{what} is no object");
            Known(what, group, ["name", "nodes"]);
            if (!group.TryGetProperty("name", out var said)) throw Wrong($"{what} has no name");
            var name = Text(said, $"the name of {what}", MostLetters);
            if (string.IsNullOrWhiteSpace(name)) throw Wrong($"the name of {what} is empty");
            var nodes = Each(group, "nodes").Select((n, i) => Node(n, $"node {i + 1} of {what}")).ToList();
            return nodes.Count > 0 ? new SubgraphGroup(name, nodes) : throw Wrong($"{what} has no nodes");
        }

        private FeatureName Node(JsonElement node, string what)
        {
            var text = Text(node, what, MostLetters);
            try
            {
                return FeatureName.ParseNode(text);
            }
            catch (FormatException)
            {
                throw Wrong($"{what} is {DisplayText.QuotedName(text)}, which is no node such as 3:263@4, 2.mlp:7 or 9.attn:error@2");
            }
        }

        private List<SubgraphLabel> Labels(JsonElement root)
        {
            if (!root.TryGetProperty("labels", out var labels)) return [];
            if (labels.ValueKind != JsonValueKind.Object) throw Wrong("labels is no object");
            var result = new List<SubgraphLabel>();
            foreach (var label in labels.EnumerateObject())
            {
                var (quoted, feature) = (DisplayText.QuotedName(label.Name), (FeatureName?)null);
                try
                {
                    feature = FeatureName.ParseNode(label.Name);
                }
                catch (FormatException)
                {
                }
                if (feature is not { Position: null })
                {
                    throw Wrong($"labels has {quoted}, which is no feature such as 3:263 (without a position)");
                }
                var text = Text(label.Value, $"the label of {quoted}", MostLetters);
                if (result.Any(l => l.Site == feature.Site && l.Feature == feature.Feature)) throw Wrong($"{quoted} has two labels");
                if (text.Length > 0) result.Add(new(feature.Site, feature.Feature, text));
            }
            return result;
        }

        private SubgraphRun? Run(JsonElement root)
        {
            if (!root.TryGetProperty("run", out var run) || run.ValueKind == JsonValueKind.Null) return null;
            if (run.ValueKind != JsonValueKind.Object) throw Wrong("run is no object");
            Known("run", run, ["path", "finished_at", "bundle_sha256", "prompt", "metric"]);
            string? Say(string name) => run.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
                ? Text(value, name, int.MaxValue) : null;
            return new SubgraphRun(Say("path"), Say("finished_at"), Say("bundle_sha256"), Say("prompt"), Say("metric"));
        }

        private IEnumerable<JsonElement> Each(JsonElement from, string name)
        {
            if (!from.TryGetProperty(name, out var list)) return name == "pins" ? throw Wrong("it has no pins") : [];
            return list.ValueKind == JsonValueKind.Array ? list.EnumerateArray() : throw Wrong($"{name} is no list");
        }

        private string Text(JsonElement value, string what, int most)
        {
            if (value.ValueKind != JsonValueKind.String) throw Wrong($"{what} is no text");
            var text = value.GetString()!;
            return text.Length <= most ? text : throw Wrong($"{what} has {text.Length:N0} letters, and {most:N0} are read at most");
        }

        private void Known(string what, JsonElement of, string[] names)
        {
            foreach (var property in of.EnumerateObject())
            {
                if (!names.Contains(property.Name))
                {
                    throw Wrong($"{what} has {DisplayText.QuotedName(property.Name)}, which is none of {string.Join(", ", names)}");
                }
            }
        }

        private SubgraphException Wrong(string why) => new($"{path} is no subgraph that is read: {why}; {Mend}");
    }
}
