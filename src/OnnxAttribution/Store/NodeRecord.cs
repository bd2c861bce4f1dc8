using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace OnnxAttribution.Store;

/// <summary>Which node it is: where, and of which feature.</summary>
/// <param name="Site">Hook name of its site.</param>
/// <param name="Position">Token position from 0, BOS counted; −1: at all of them.</param>
/// <param name="Feature">The feature's row of W_dec, from 0; −1: the error node.</param>
public sealed record NodeRecord(string Site, int Position, int Feature);

/// <summary>A node as an object; the metric, which is no node of a site, as the text <c>metric</c>.</summary>
internal sealed class NodeOrMetric : JsonConverter<NodeRecord>
{
    public static readonly NodeRecord Metric = new(RunNames.MetricSite, -1, -1);

    public override NodeRecord Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.ValueTextEquals(RunNames.MetricSite) ? Metric
            : JsonSerializer.Deserialize(ref reader, InfoOf(options)) ?? throw new JsonException();

    public override void Write(Utf8JsonWriter writer, NodeRecord value, JsonSerializerOptions options)
    {
        if (value.Site == RunNames.MetricSite) writer.WriteStringValue(RunNames.MetricSite);
        else JsonSerializer.Serialize(writer, value, InfoOf(options));
    }

    private static JsonTypeInfo<NodeRecord> InfoOf(JsonSerializerOptions options) =>
        (JsonTypeInfo<NodeRecord>)options.GetTypeInfo(typeof(NodeRecord));
}
