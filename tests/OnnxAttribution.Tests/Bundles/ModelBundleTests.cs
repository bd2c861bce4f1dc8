using OnnxAttribution.Bundles;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Bundles;

public sealed class ModelBundleTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly string _bundle;

    public ModelBundleTests() =>
        _bundle = Random2.Bundle(Random2.Copy(_directory["checkpoint"], withDictionaries: true), _directory["bundle"]);

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_directory_that_is_not_there_and_one_without_bundle_json_are_named()
    {
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_directory["nowhere"]), _directory["nowhere"]);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_directory["checkpoint"]),
            _directory["checkpoint"], "bundle.json");
    }

    [Theory, InlineData(""), InlineData("{"), InlineData("{}"), InlineData("null"), InlineData("[]"), InlineData("\0\0"),
        InlineData("{\"format_version\": \"one\"}")]
    public void A_damaged_bundle_json_is_named(string content)
    {
        var path = Path.Combine(_bundle, "bundle.json");
        File.WriteAllText(path, content);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "export the bundle again");
    }

    [Theory, InlineData("sites"), InlineData("files"), InlineData("dictionaries"), InlineData("weight_processing"), InlineData("d_model"),
        InlineData("name")]
    public void A_bundle_json_without_one_of_its_keys_or_with_null_there_is_damaged(string key)
    {
        var path = Path.Combine(_bundle, "bundle.json");
        var json = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        Assert.True(json.ContainsKey(key));
        json[key] = null;
        File.WriteAllText(path, json.ToJsonString());
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "export the bundle again");
        json.Remove(key);
        File.WriteAllText(path, json.ToJsonString());
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, key, "export the bundle again");
    }

    [Fact]
    public void A_bundle_json_of_a_later_format_is_refused_by_its_version()
    {
        var path = Path.Combine(_bundle, "bundle.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"format_version\": 2", "\"format_version\": 4"));
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "format version 4", "reads 2 and 3");
        File.WriteAllText(path, "{\"format_version\": 4, \"something\": \"new\"}");
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "format version 4", "reads 2 and 3");
    }

    [Theory, MemberData(nameof(Files))]
    public void A_missing_file_and_one_that_changed_after_the_export_are_named(string file)
    {
        var path = Path.GetFullPath(Path.Combine(_bundle, file));
        var bytes = File.ReadAllBytes(path);
        File.Delete(path);   // links stay whole
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "missing");
        File.WriteAllBytes(path, [.. bytes, 0]);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "changed after the export");
        // of the same length
        File.WriteAllBytes(path, [.. bytes[..^1], (byte)(bytes[^1] ^ 1)]);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle), path, "changed after the export");
        File.WriteAllBytes(path, bytes);
        ModelBundle.Open(_bundle);
    }

    public static TheoryData<string> Files =>
        ["model.onnx", "model.safetensors", "config.json", "vocab.json", "merges.txt", "dictionaries/blocks.1.hook_attn_out/cfg.json",
            "dictionaries/blocks.1.hook_attn_out/sae_weights.safetensors"];

    [Theory, InlineData(0xFF), InlineData(0x00), InlineData(0x0A)]
    public void A_graph_whose_bytes_changed_is_named(byte content)
    {
        var path = Path.Combine(_bundle, "model.onnx");
        File.WriteAllBytes(path, [.. Enumerable.Repeat(content, (int)new FileInfo(path).Length)]);
        BundleSeal.Renew(_bundle);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle).WithoutInterventions(1), path);
    }

    [Theory]
    [InlineData("blocks.0.hook_resid_per", "blocks.0.hook_resid_pre")]
    [InlineData("blocks.1.hook_mlp", "blocks.1.hook_mlp_out")]
    [InlineData("blocks.7.hook_attn_out", "blocks.0.hook_attn_out")]
    [InlineData("blocks.1.hook_resid_pst", "blocks.1.hook_resid_post")]
    public void An_unknown_site_is_answered_with_the_nearest(string name, string nearest) =>
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(_bundle).SiteNamed(name), $"'{name}'", $"'{nearest}'",
            Path.Combine(_bundle, "bundle.json"));

    [Fact]
    public void Resid_post_below_the_last_block_is_another_name_of_the_next_blocks_resid_pre()
    {
        var bundle = ModelBundle.Open(_bundle);
        Assert.Equal("blocks.1.hook_resid_pre", bundle.SiteNamed("blocks.0.hook_resid_post").Name);
        Assert.Equal("blocks.1.hook_resid_post", bundle.SiteNamed("blocks.1.hook_resid_post").Name);
    }

    [Fact]
    public void Sites_go_by_the_short_names_that_tables_and_pages_print()
    {
        var bundle = ModelBundle.Open(_bundle);
        Assert.Equal("blocks.1.hook_mlp_out", bundle.SiteNamed("1.mlp").Name);
        Assert.Equal(["blocks.0.hook_attn_out", "blocks.1.hook_resid_pre", "blocks.1.hook_attn_out"],
            bundle.SitesNamed(["1.resid", "attn", "0.attn"]).Select(s => s.Name));
    }
}
