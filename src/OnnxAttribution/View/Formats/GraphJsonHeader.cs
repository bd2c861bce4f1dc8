using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using OnnxAttribution.Bundles;

namespace OnnxAttribution.View.Formats;

/// <summary>The head of graph JSON: metadata, and the state a viewer opens with.</summary>
internal static partial class GraphJsonHeader
{
    private const int MostOfSlug = 100;

    /// <summary>Writes the metadata as an object.</summary>
    public static void Metadata(Utf8JsonWriter json, RunPicture picture, ViewerIds places, GraphJsonParts parts)
    {
        var (header, dictionaries) = (picture.Header, parts.Scan is null ? SourceSet(picture, places) : null);
        var model = header.Model.Length > 0 ? header.Model : "unknown";
        json.WriteStartObject();
        json.WriteString("slug", parts.Slug ?? Slug(picture.Path));
        json.WriteString("scan", parts.Scan ?? dictionaries?.Model ?? model);
        if (parts.Scan is not null) json.WriteString("title_prefix", model);   // else the page's list would name the folder alone
        json.WriteStartArray("transcoder_list");
        json.WriteEndArray();
        json.WriteStartArray("prompt_tokens");
        foreach (var token in places.Columns) json.WriteStringValue(token);
        json.WriteEndArray();
        json.WriteString("prompt", header.PatchPrompt is { } other ? $"{header.Prompt} (patch: {other})" : header.Prompt ?? header.Title);
        json.WriteNumber("schema_version", 1);
        json.WriteNumber("node_threshold", 1);   // where the viewer's slider stands at first: all is shown
        if (dictionaries is { } d)
        {
            json.WriteStartObject("feature_details");
            json.WriteString("neuronpedia_source_set", d.Set);
            json.WriteEndObject();
        }
        Info(json, picture, places);
        json.WriteStartObject("generation_settings");
        json.WriteString("metric", header.MetricWords);
        if (header.PatchPrompt is { } patch) json.WriteString("patch prompt", patch);
        foreach (var (name, value) in header.Options) json.WriteString(name, value);
        json.WriteEndObject();
        json.WriteStartObject("pruning_settings");
        json.WriteNumber("nodes_of_the_run", picture.KeptNodes);
        json.WriteNumber("edges_of_the_run", picture.Stored.Edges.Length);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Info(Utf8JsonWriter json, RunPicture picture, ViewerIds places)
    {
        json.WriteStartObject("info");
        json.WriteString("description", Description(picture, places));
        json.WriteStartObject("generator");
        json.WriteString("name", "onnx-attribution");
        json.WriteString("version", picture.Header.Version);
        json.WriteEndObject();
        if (DateTimeOffset.TryParse(picture.Header.FinishedAt, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal,
            out var finished))
        {
            json.WriteNumber("create_time_ms", finished.ToUnixTimeMilliseconds());
        }
        json.WriteEndObject();
    }

    private static string Description(RunPicture picture, ViewerIds places)
    {
        var weight = picture.Header.IsAblation
            ? "A link's weight is what the upstream feature does for the downstream activation, or for the metric, measured by "
                + (picture.Header.Coefficient == 0 ? "taking it away" : $"multiplying it by {NumberText.Of(picture.Header.Coefficient)}")
                + $": above 0 raises it ({(picture.Header.SignOfClean < 0 ? "minus " : "")}the measured change)."
            : "A link's weight is what the upstream node's clean value does for the metric along this link: "
                + "above 0 raises it (minus the link's effect, which estimates m(patched) - m(clean)).";
        if (picture.Header.IsReplaced)
        {
            weight = "Transcoders stand for MLPs. A link's weight is circuit-tracer's: the jacobian times the upstream node's clean "
                + "activation, to the downstream pre-activation or the metric.";
        }
        var layers = string.Join(", ", picture.Sites.Where(s => s.Kind != SiteKind.Embed)
            .Select(s => string.Create(CultureInfo.InvariantCulture, $"{places.Layer(s)} {s.ShortName}")));
        return $"{picture.Header.MetricWords}. {weight} The run's own effect and jacobian are further fields. Layers are sites: {layers}. "
            + "Error nodes are what a site's dictionary missed. "
            + (picture.Header.IsReplaced ? "" : "Embedding nodes have no links: the graph begins at the sites. ")
            + (picture.Targets.Count > 0 ? "influence is circuit-tracer's: the cumulative share of the influence on the outputs."
                : "influence is circuit-tracer's, of these links on the metric; effect_share is the cumulative share of the sum of "
                    + "|effect|, the strongest node first.")
            + (places.HasProbability || picture.Targets.Count > 0 ? ""
                : " The run says no probability of the output: its token_prob is 1, which weighs it and is no probability.");
    }

    /// <summary>Writes the state that a viewer opens with: what is pinned and grouped.</summary>
    public static void State(Utf8JsonWriter json, RunPicture picture, ViewerIds places)
    {
        json.WriteStartObject("qParams");
        json.WriteString("linkType", "both");
        GraphJsonSubgraph.Write(json, picture, places);
        json.WriteString("clickedId", "");
        json.WriteString("sg_pos", "");
        json.WriteEndObject();
    }

    // such as gpt2-small/6-res-jb at every drawn site: model gpt2-small, set res-jb;
    // only where layers are the model's can a viewer find the features
    private static (string Model, string Set)? SourceSet(RunPicture picture, ViewerIds places)
    {
        if (!places.IsModelLayer) return null;
        var found = new HashSet<(string, string)>();
        foreach (var site in picture.Sites.Where(s => s.Kind != SiteKind.Embed))
        {
            var match = NeuronpediaId().Match(picture.Header.NeuronpediaId(site.Name) ?? "");
            if (!match.Success || int.Parse(match.Groups["layer"].ValueSpan, CultureInfo.InvariantCulture) != places.Layer(site))
            {
                return null;
            }
            found.Add((match.Groups["model"].Value, match.Groups["set"].Value));
        }
        return found.Count == 1 ? found.Single() : null;
    }

    /// <summary>A graph's name in a viewer, made of its run directory's.</summary>
    public static string Slug(string path)
    {
        var name = NotOfSlugs()
            .Replace(Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path))).ToLowerInvariant(), "-")
            .Trim('-');
        return name is "" or "run" ? "graph" : name[..Math.Min(name.Length, MostOfSlug)].TrimEnd('-');   // it names files
    }

    [GeneratedRegex(@"^(?<model>[^/]+)/(?<layer>\d{1,4})-(?<set>.+)$")]
    private static partial Regex NeuronpediaId();

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotOfSlugs();
}
