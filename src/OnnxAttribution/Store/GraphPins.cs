using System.Globalization;
using System.Text.Json;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.Store;

// 1. Read are graphs of ours, whose nodes say site, feature and position, also as the pages save them: circuit-tracer's writes pins
//    with commas between and supernodes as JSON in a text, Neuronpedia's lists, and `clerps` [feature, label].
// 2. Pins of tokens and outputs are none of a subgraph's. A node in two supernodes is in the first; names are made different.

/// <summary>A subgraph within graph JSON: the state that viewers open with.</summary>
internal static class GraphPins
{
    /// <summary>Keys of the state, and of a node's own label.</summary>
    public const string Pinned = "pinnedIds", Supernodes = "supernodes", Notes = "notes", Names = "names", OwnLabel = "own_label";

    private const string State = "qParams", Unnamed = "group";

    /// <summary>Whether JSON is a graph with such a state.</summary>
    public static bool Is(JsonElement root) => root.ValueKind == JsonValueKind.Object && root.TryGetProperty(State, out _);

    /// <summary>Reads the subgraph of a graph.</summary>
    /// <param name="path">For messages.</param>
    /// <exception cref="SubgraphException">Its nodes do not say what they are, or the state is none.</exception>
    public static Subgraph Read(JsonElement root, string path)
    {
        try
        {
            var (nodes, labels) = (new Dictionary<string, FeatureName>(), new Labels(root.GetProperty(State)));
            foreach (var node in root.GetProperty("nodes").EnumerateArray()) Add(node, nodes, labels);
            if (nodes.Count == 0)
            {
                throw new SubgraphException($"no node of {path} says site, feature_index and position, so that it is no graph that "
                    + "'view' wrote; give one that it did, or a subgraph.json");
            }
            var state = root.GetProperty(State);
            var groups = Groups(state, nodes);
            var pins = Texts(state, Pinned).Where(nodes.ContainsKey).Select(id => nodes[id]).Concat(groups.SelectMany(g => g.Nodes));
            var notes = state.TryGetProperty(Notes, out var said) && said.ValueKind == JsonValueKind.String ? said.GetString()! : "";
            return new Subgraph([.. pins.Distinct()], groups, labels.Found, Cut(notes, SubgraphFile.MostNotes)) { Source = path };
        }
        catch (Exception e) when (e is InvalidOperationException or KeyNotFoundException or JsonException)
        {
            throw new SubgraphException($"{path} is no graph whose pins can be read: its nodes, {State}.{Pinned} or {State}.{Supernodes} "
                + "are not what graph JSON has; export the graph again, or give a subgraph.json", e);
        }
    }

    private static void Add(JsonElement node, Dictionary<string, FeatureName> nodes, Labels labels)
    {
        if (!node.TryGetProperty("site", out var site) || !node.TryGetProperty("feature_index", out var feature)
            || !node.TryGetProperty("position", out var position) || !Site.TryParse(site.GetString()!, out _))
        {
            return;
        }
        var name = new FeatureName(site.GetString()!, feature.GetInt32(), position.GetInt32() is >= 0 and var at ? at : null);
        nodes[node.GetProperty("node_id").GetString()!] = name;
        labels.Add(node, name);
    }

    private static List<SubgraphGroup> Groups(JsonElement state, Dictionary<string, FeatureName> nodes)
    {
        var (groups, taken, names) = (new List<SubgraphGroup>(), new HashSet<FeatureName>(), new HashSet<string>());
        foreach (var listed in Lists(state, Supernodes))
        {
            var members = listed.Skip(1).Where(nodes.ContainsKey).Select(id => nodes[id]).Where(taken.Add).ToList();
            if (members.Count == 0) continue;
            var said = Named(state, listed[0]);
            var wanted = string.IsNullOrWhiteSpace(said) ? Unnamed : said;
            var name = Cut(wanted, SubgraphFile.MostLetters);
            wanted = Cut(wanted, SubgraphFile.MostLetters - 8);
            for (var i = 2; !names.Add(name); i++) name = string.Create(CultureInfo.InvariantCulture, $"{wanted} {i}");
            groups.Add(new SubgraphGroup(name, members));
        }
        return groups;
    }

    private static string Named(JsonElement state, string shown) => state.TryGetProperty(Names, out var names)
        && names.ValueKind == JsonValueKind.Object && names.TryGetProperty(shown, out var name) ? name.GetString()! : shown;

    // texts with commas between are what circuit-tracer's page saves
    private static IEnumerable<string> Texts(JsonElement state, string name) => !state.TryGetProperty(name, out var value) ? []
        : value.ValueKind == JsonValueKind.String ? value.GetString()!.Split(',', StringSplitOptions.RemoveEmptyEntries)
        : value.ValueKind == JsonValueKind.Null ? [] : [.. value.EnumerateArray().Select(v => v.GetString()!)];

    private static List<List<string>> Lists(JsonElement state, string name)
    {
        if (!state.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return [];
        if (value.ValueKind != JsonValueKind.String) return Lists(value);
        if (value.GetString() is not { Length: > 0 } text) return [];
        using var parsed = JsonDocument.Parse(text);
        return Lists(parsed.RootElement);
    }

    private static List<List<string>> Lists(JsonElement value) => [.. value.EnumerateArray()
        .Select(list => list.EnumerateArray().Select(v => v.ValueKind == JsonValueKind.Null ? "" : v.GetString()!).ToList())
        .Where(list => list.Count > 0)];

    private static string Cut(string text, int most)
    {
        if (text.Length <= most) return text;
        return text[..(char.IsHighSurrogate(text[most - 1]) ? most - 1 : most)];
    }

    /// <summary>Labels of the readers' own: in nodes, and as the viewers keep them.</summary>
    private sealed class Labels(JsonElement state)
    {
        private readonly Dictionary<string, string> _ofViewers = Lists(state, "clerps").Where(c => c.Count == 2).GroupBy(c => c[0])
            .ToDictionary(c => c.Key, c => c.Last()[1]);

        public List<SubgraphLabel> Found { get; } = [];

        public void Add(JsonElement node, FeatureName name)
        {
            if (Found.Any(l => l.Site == name.Site && l.Feature == name.Feature)) return;
            var number = node.GetProperty("feature").GetRawText();
            var id = $"{node.GetProperty("layer").GetString()}_{number}_{node.GetProperty("ctx_idx").GetRawText()}";
            var label = _ofViewers.GetValueOrDefault(id)
                ?? _ofViewers.GetValueOrDefault(number)
                ?? (node.TryGetProperty(OwnLabel, out var own) ? own.GetString() : null);
            if (!string.IsNullOrEmpty(label)) Found.Add(new SubgraphLabel(name.Site, name.Feature, Cut(label, SubgraphFile.MostLetters)));
        }
    }
}
