using System.Text.Json.Nodes;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests;

/// <summary>run.json by its keys, as who reads the file without this library knows it.</summary>
internal static class RunKeys
{
    extension(StoredRun run)
    {
        public JsonObject Facts => RunJson.ToObject(run.Record);
    }

    /// <summary>The record that a run.json of these keys is read as.</summary>
    public static RunRecord ToRecord(this JsonObject facts) => RunJson.ToRecord(facts);

    public static RunAddition ToAddition(this JsonObject facts) =>
        System.Text.Json.JsonSerializer.Deserialize(facts, RunJson.Default.RunAddition)!;

    /// <summary>Every key is as expected; what else the run has is null.</summary>
    public static void AssertFacts(this StoredRun run, JsonObject expected)
    {
        foreach (var (key, value) in run.Facts) Assert.True(JsonNode.DeepEquals(expected[key], value), $"{key} is {value}");
        Assert.All(expected, key => Assert.True(key.Value is null || run.Facts[key.Key] is not null, key.Key));
    }
}
