using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>Weights in shards, as Hugging Face lays them out.</summary>
public sealed class ShardTests : IDisposable
{
    private const string First = "model-00001-of-00002.safetensors", Second = "model-00002-of-00002.safetensors";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string> Models => [.. RandomModels.Names];

    [Theory, MemberData(nameof(Models))]
    public void A_model_in_shards_gives_the_same_logits_and_copies_no_shard(string model)
    {
        var sharded = Sharded(model);
        using var golden = GoldenCase.Open($"{model}-hooks");
        using var session = new PlainSession(Random2.Bundle(sharded, _directory["bundle"]));
        GoldenTests.Close(golden["logits"], session.Logits(golden.Tokens), 1e-5, "logits");
        Assert.Superset(new HashSet<string> { First, Second, "config.json" },
            BundleManifest.Read(_directory["bundle"]).Files.Keys.ToHashSet());
        // a link, not a copy
        File.AppendAllText(Path.Combine(sharded, Second), "seen");
        Assert.EndsWith("seen", File.ReadAllText(Path.Combine(_directory["bundle"], Second)));
    }

    [Fact]
    public void Shards_in_place_are_used_where_they_lie()
    {
        var sharded = Sharded();
        Random2.Bundle(sharded, sharded);
        using var golden = GoldenCase.Open("llama2-hooks");
        using var session = new PlainSession(sharded);
        GoldenTests.Close(golden["logits"], session.Logits(golden.Tokens), 1e-5, "logits");
    }

    [Fact]
    public void Broken_indices_and_shards_are_refused_by_name()
    {
        var sharded = Sharded();
        void Refused(Action<JsonObject> change, params string[] problems)
        {
            var json = JsonNode.Parse(File.ReadAllText(Path.Combine(sharded, CheckpointFolder.IndexFile)))!.AsObject();
            var before = json.ToJsonString();
            change(json);
            File.WriteAllText(Path.Combine(sharded, CheckpointFolder.IndexFile), json.ToJsonString());
            BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(sharded, _directory["bundle"]), problems);
            File.WriteAllText(Path.Combine(sharded, CheckpointFolder.IndexFile), before);
        }
        Refused(json => json.Remove("weight_map"), CheckpointFolder.IndexFile, "has no key 'weight_map'");
        Refused(json => json["weight_map"] = new JsonObject(), "lists no tensor");
        Refused(json => json["weight_map"]!["model.norm.weight"] = "model-00003-of-00003.safetensors",
            "has no model-00003-of-00003.safetensors", "lists");
        Refused(json => json["weight_map"]!["model.norm.weight"] = "../secret.safetensors",
            "'../secret.safetensors', which is no file name");
        Refused(json => json["weight_map"]!["model.norm.weight"] = 3, "weight_map.model.norm.weight is 3 where a string");
        Refused(json => json["weight_map"]!["model.embed_tokens.weight"] = Second, Second, "has no tensor 'model.embed_tokens.weight'");
        Refused(json => json["weight_map"]!.AsObject().Remove("model.norm.weight"), CheckpointFolder.IndexFile,
            "has no tensor 'model.norm.weight'");
    }

    // the embedding in one file, all else in the other
    private string Sharded(string model = "llama2")
    {
        var to = RandomModels.Rewrite(model, _directory["sharded"]);
        var map = new JsonObject();
        using (var source = SafetensorsFile.Open(Path.Combine(to, CheckpointFolder.SingleFile)))
        {
            foreach (var shard in source.Tensors.Values.GroupBy(t => t.Name.Contains("embed") || t.Name.Contains("wte") ? First : Second))
            {
                SafetensorsWriter.Write(Path.Combine(to, shard.Key),
                    [.. shard.Select(t => SafetensorsTensor.F32(t.Name, [.. t.Shape], () => source.ReadFloats(t.Name)))]);
                foreach (var t in shard) map[t.Name] = shard.Key;
            }
        }
        File.Delete(Path.Combine(to, CheckpointFolder.SingleFile));
        File.WriteAllText(Path.Combine(to, CheckpointFolder.IndexFile),
            new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 1 }, ["weight_map"] = map }.ToJsonString());
        return to;
    }
}
