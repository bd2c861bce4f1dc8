using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

/// <summary>subgraph.json, as it is written and read.</summary>
public sealed class SubgraphFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void What_is_written_is_read_again()
    {
        var subgraph = new Subgraph([FeatureName.ParseNode("3:263@4"), FeatureName.ParseNode("2.mlp:7"),
            FeatureName.ParseNode("9.attn:error@2")], [new("a \"group\" \u202e</script>", [FeatureName.ParseNode("2.mlp:7")])],
            [new("blocks.3.hook_resid_pre", 263, "says 'copyright' <b>"), new("blocks.9.hook_attn_out", -1, "odd")], "notes\nof two lines")
        {
            Run = new("runs/x", "2026-01-31T12:00:00Z", new string('a', 64), "Copyright (C", "logit of ')'")
        };
        using (var file = File.Create(_directory["subgraph.json"])) SubgraphFile.Write(subgraph, file);
        var read = SubgraphReader.Read(_directory["subgraph.json"]);
        Assert.Equal(subgraph.Pins, read.Pins);
        Assert.Equal(subgraph.Groups.Select(g => (g.Name, string.Join(' ', g.Nodes))),
            read.Groups.Select(g => (g.Name, string.Join(' ', g.Nodes))));
        Assert.Equal(subgraph.Labels, read.Labels);
        Assert.Equal((subgraph.Notes, subgraph.Run), (read.Notes, read.Run));
        Assert.Equal(["3:263@4", "9.attn:error@2"], read.Single.Select(n => n.Spelling));
        Assert.Equal("odd", read.LabelOf("blocks.9.hook_attn_out", -1));
        var json = JsonNode.Parse(File.ReadAllText(_directory["subgraph.json"]))!;
        Assert.Equal("""["3:263@4","2.mlp:7","9.attn:error@2"]""", json["pins"]!.ToJsonString());
        Assert.Equal(["3:263", "9.attn:error"], json["labels"]!.AsObject().Select(l => l.Key));
    }

    [Fact]
    public void Nodes_of_a_group_are_pinned_and_most_may_be_left_out()
    {
        var read = Read("""{~1, "pins": ["1:2"], "groups": [{"name": "g", "nodes": ["0:1@3"]}]}""");
        Assert.Equal(["1:2", "0:1@3"], read.Pins.Select(p => p.Spelling));
        Assert.Equal(("", null, 0), (read.Notes, read.Run, read.Labels.Count));
        // a site has more than one name
        Assert.Equal(read.Pins, Read("""
            {"format": "onnx-attribution subgraph", "version": 1, "pins": ["1.resid:2", "blocks.0.hook_resid_pre:1@3"]}
            """).Pins);
    }

    [Theory]
    [InlineData("[]", "no \"format\"")]
    [InlineData("""{"pins": []}""", "no \"format\"")]
    [InlineData("""{~, "version": 2, "pins": []}""", "not of version 1")]
    [InlineData("""{~, "version": "1", "pins": []}""", "not of version 1")]
    [InlineData("""{~1}""", "no pins")]
    [InlineData("""{~1, "pins": {}}""", "pins is no list")]
    [InlineData("""{~1, "pins": [3]}""", "pin 1 is no text")]
    [InlineData("""{~1, "pins": ["1:2", "1.2"]}""", "pin 2", "'1.2'", "3:263@4")]
    [InlineData("""{~1, "pins": [], "pinned": []}""", "'pinned'", "none of format")]
    [InlineData("""{~1, "pins": [], "pins": []}""", "'pins' twice")]
    [InlineData("""{~1, "pins": [], "groups": [{"nodes": ["1:2"]}]}""", "group 1 has no name")]
    [InlineData("""{~1, "pins": [], "groups": [{"name": " ", "nodes": ["1:2"]}]}""", "empty")]
    [InlineData("""{~1, "pins": [], "groups": [{"name": "a", "nodes": []}]}""", "no nodes")]
    [InlineData("""{~1, "pins": [], "groups": [{"name": "a", "nodes": ["1:2"]}, {"name": "a", "nodes": ["1:3"]}]}""", "are named 'a'")]
    [InlineData("""{~1, "pins": [], "groups": [{"name": "a", "nodes": ["1:2"]}, {"name": "b", "nodes": ["1.resid:2"]}]}""", "1:2 is in")]
    [InlineData("""{~1, "pins": [], "labels": {"1:2@3": "x"}}""", "'1:2@3'", "without a position")]
    [InlineData("""{~1, "pins": [], "labels": {"1:2": 3}}""", "'1:2' is no text")]
    [InlineData("""{~1, "pins": [], "labels": {"1:2": "a", "1.resid:2": "b"}}""", "two labels")]
    [InlineData("""{~1, "pins": [], "notes": null}""", "notes is no text")]
    [InlineData("""{~1, "pins": [], "notes": "\ud800"}""", "Unicode")]
    [InlineData("""{~1, "pins": [], "run": {"model": "x"}}""", "run has 'model'")]
    [InlineData("""{~1, "pins": [""", "stops being JSON")]
    public void What_is_none_is_refused_in_one_line_that_names_the_file(string json, params string[] words)
    {
        var message = Assert.Throws<SubgraphException>(() => Read(json)).Message;
        Assert.All(words.Append(_directory["subgraph.json"]), word => Assert.Contains(word, message));
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Texts_that_no_page_would_write_are_refused()
    {
        string File(string name, string label, string notes) => new JsonObject
        {
            ["format"] = SubgraphFile.Format,
            ["version"] = 1,
            ["pins"] = new JsonArray(),
            ["groups"] = new JsonArray(new JsonObject { ["name"] = name, ["nodes"] = new JsonArray("1:2") }),
            ["labels"] = new JsonObject { ["1:2"] = label },
            ["notes"] = notes,
        }.ToJsonString();
        var (most, long1) = (new string('x', SubgraphFile.MostLetters), new string('x', SubgraphFile.MostLetters + 1));
        Assert.Equal(most, Read(File(most, most, new string('n', SubgraphFile.MostNotes))).Groups[0].Name);
        var notes = new string('n', SubgraphFile.MostNotes + 1);
        foreach (var json in (string[])[File(long1, "", ""), File("x", long1, ""), File("x", "", notes)])
        {
            Assert.Contains("are read at most", Assert.Throws<SubgraphException>(() => Read(json)).Message);
        }
        Assert.Contains("cannot be read", Assert.Throws<SubgraphException>(() => SubgraphReader.Read(_directory["missing.json"])).Message);
    }

    [Fact]
    public void A_byte_order_mark_does_no_harm()
    {
        File.WriteAllText(_directory["subgraph.json"], """{"format": "onnx-attribution subgraph", "version": 1, "pins": ["1:2"]}""",
            new UTF8Encoding(encoderShouldEmitUTF8Identifier: true));
        Assert.Single(SubgraphReader.Read(_directory["subgraph.json"]).Pins);
    }

    private Subgraph Read(string json)
    {
        var begun = json.Replace("~1", "~, \"version\": 1", StringComparison.Ordinal);
        File.WriteAllText(_directory["subgraph.json"],
            begun.Replace("~", "\"format\": \"onnx-attribution subgraph\"", StringComparison.Ordinal));
        return SubgraphReader.Read(_directory["subgraph.json"]);
    }
}
