using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Export;

/// <summary>What an export replaces, what it leaves alone, and what a bundle may not name.</summary>
public sealed class BundleOutputTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private string Bundle => _directory["bundle"];

    public void Dispose() => _directory.Dispose();

    private static BundleManifest Export(string checkpoint, string to, bool force = false, bool folded = false) =>
        BundleWriter.Write(new ExportOptions(checkpoint, null, to, FoldLayerNorm: folded, Force: force));

    [Fact]
    public void What_no_export_wrote_is_replaced_only_by_force()
    {
        Directory.CreateDirectory(Bundle);
        File.WriteAllText(Path.Combine(Bundle, "config.json"), "{}");
        File.WriteAllText(Path.Combine(Bundle, "notes.txt"), "mine");
        BundleWriterTests.Refused<BundleException>(() => Export(Random2.Checkpoint, Bundle),
            Path.Combine(Bundle, "config.json"), "--force");
        Assert.Equal(["config.json", "notes.txt"], BundleWriterTests.FilesOf(Bundle));
        Export(Random2.Checkpoint, Bundle, force: true);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(Bundle, "notes.txt")));
        ModelBundle.Open(Bundle);
    }

    [Fact]
    public void A_replaced_bundle_takes_along_what_else_lies_in_its_folder()
    {
        Export(Random2.Checkpoint, Bundle, folded: true);
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(Bundle, "notes")).FullName, "one.txt"), "mine");
        File.WriteAllText(Path.Combine(Bundle, "features.parquet"), "days of reading");
        File.CreateSymbolicLink(Path.Combine(Bundle, "notes", "link"), "/nowhere");
        Export(Random2.Checkpoint, Bundle, force: true);
        Assert.Equal(("mine", "days of reading"),
            (File.ReadAllText(Path.Combine(Bundle, "notes", "one.txt")), File.ReadAllText(Path.Combine(Bundle, "features.parquet"))));
        Assert.Equal("/nowhere", new FileInfo(Path.Combine(Bundle, "notes", "link")).LinkTarget);
        Assert.False(File.Exists(Path.Combine(Bundle, "processed.safetensors")));
        Assert.Equal([Bundle], Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void In_the_checkpoints_directory_a_graph_that_is_not_ours_is_left_alone_without_force()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        var graph = Path.Combine(checkpoint, "model.onnx");
        File.WriteAllText(graph, "somebody's");
        BundleWriterTests.Refused<BundleException>(() => Export(checkpoint, checkpoint), graph, "no export wrote it", "--force");
        Assert.Equal("somebody's", File.ReadAllText(graph));
        Assert.False(File.Exists(Path.Combine(checkpoint, "bundle.json")));
        Export(checkpoint, checkpoint, force: true);
        // ours, and so replaced without being asked
        foreach (var folded in (bool[])[true, false, true])
        {
            Export(checkpoint, checkpoint, folded: folded);
            Assert.Equal(folded, ModelBundle.Open(checkpoint).Manifest.WeightProcessing.FoldLayernorm);
            Assert.Equal(folded, File.Exists(Path.Combine(checkpoint, "processed.safetensors")));
            Assert.True(File.Exists(graph));
            Assert.False(File.Exists(Path.Combine(checkpoint, BundleManifest.NextGraphFileName)));
        }
    }

    [Fact]
    public void Dictionaries_of_the_checkpoint_are_not_replaced_by_others_of_their_sites()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        const string site = "blocks.1.hook_mlp_out";
        var own = Path.Combine(checkpoint, "dictionaries", site);
        DictionaryFiles.Random(site, width: 16, features: 12, seed: 1).Write(own);
        DictionaryFiles.Random(site, width: 16, features: 8, seed: 2).Write(_directory["other"]);
        var before = File.ReadAllBytes(Path.Combine(own, "sae_weights.safetensors"));
        BundleWriter.Write(new ExportOptions(checkpoint, [_directory["other"]], checkpoint));
        Assert.Equal(before, File.ReadAllBytes(Path.Combine(own, "sae_weights.safetensors")));
        var record = Assert.Single(ModelBundle.Open(checkpoint).Manifest.Dictionaries);
        Assert.Equal((8, true), (record.DSae, record.Path.StartsWith($"dictionaries/{site}.", StringComparison.Ordinal)));
        // what the bundle uses is what is exported again
        Assert.Equal(8, Assert.Single(Export(checkpoint, checkpoint).Dictionaries).DSae);
    }

    [Theory, InlineData("../outside.txt"), InlineData("/etc/hostname"), InlineData("a//b"), InlineData("..\\outside.txt")]
    public void A_bundle_names_nothing_outside_of_its_folder(string name)
    {
        Export(Random2.Checkpoint, Bundle);
        File.WriteAllText(_directory["outside.txt"], "x");
        BundleSeal.Edit(Bundle, json =>
        {
            var record = json["files"]!["config.json"]!.DeepClone();
            json["files"]![name] = record;
        });
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(Bundle), "bundle.json", $"'{name}'", "not in its folder");
    }

    [Theory, InlineData("config.json"), InlineData("dictionaries")]
    public void A_link_that_leads_out_of_the_bundle_is_refused(string name)
    {
        Export(Random2.Checkpoint, Bundle);
        var place = Path.Combine(Bundle, name);
        if (Directory.Exists(place)) Directory.Move(place, _directory[name]);
        else File.Move(place, _directory[name]);
        File.CreateSymbolicLink(place, _directory[name]);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(Bundle), "is a link to", "outside of the bundle");
    }

    [Fact]
    public void A_folder_beside_whose_name_begins_like_the_bundles_is_outside_too()
    {
        Export(Random2.Checkpoint, Bundle);
        Directory.CreateDirectory(Bundle + "-other");
        File.Move(Path.Combine(Bundle, "config.json"), Path.Combine(Bundle + "-other", "config.json"));
        File.CreateSymbolicLink(Path.Combine(Bundle, "config.json"), Path.Combine(Bundle + "-other", "config.json"));
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(Bundle), "is a link to", "outside of the bundle");
    }

    [Fact]
    public void A_dictionary_or_weights_that_bundle_json_does_not_list_are_refused()
    {
        Export(Random2.Checkpoint, Bundle);
        var whole = File.ReadAllText(Path.Combine(Bundle, "bundle.json"));
        BundleSeal.Edit(Bundle, json => json["dictionaries"]![0]!["path"] = "../elsewhere");
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(Bundle), "../elsewhere/cfg.json");
        File.WriteAllText(Path.Combine(Bundle, "bundle.json"), whole);
        var graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Bundle, "model.onnx")));
        graph.Graph.Initializer.First(t => t.ExternalData.Count > 0).ExternalData.First(e => e.Key == "location").Value = "elsewhere.bin";
        File.WriteAllBytes(Path.Combine(Bundle, "model.onnx"), graph.ToByteArray());
        File.Copy(Path.Combine(Bundle, "model.safetensors"), Path.Combine(Bundle, "elsewhere.bin"));
        BundleSeal.Renew(Bundle);
        BundleWriterTests.Refused<BundleException>(() => ModelBundle.Open(Bundle).WithoutInterventions(1), "'elsewhere.bin'",
            "bundle.json does not list");
    }

    [Fact]
    public void Verify_finds_what_the_look_on_opening_does_not()
    {
        var file = _directory["large.safetensors"];
        var bytes = new byte[3 << 20];
        Random.Shared.NextBytes(bytes);
        File.WriteAllBytes(file, bytes);
        var sample = FileSample.Of(file);
        foreach (var at in (int[])[0, 100, bytes.Length - 1])
        {
            bytes[at] ^= 1;
            File.WriteAllBytes(file, bytes);
            Assert.NotEqual(sample, FileSample.Of(file));
            bytes[at] ^= 1;
        }
        bytes[17 << 10] ^= 1;   // between the first block of 16 KiB and the second
        File.WriteAllBytes(file, bytes);
        Assert.Equal(sample, FileSample.Of(file));

        Export(Random2.Checkpoint, Bundle);
        Assert.Contains("are what was exported", Verb.Run("export", "--verify", Bundle).Done().Output);
        var weights = Path.Combine(Bundle, "model.safetensors");
        var changed = File.ReadAllBytes(weights);
        changed[^1] ^= 1;
        File.Delete(weights);
        File.WriteAllBytes(weights, changed);
        Verb.Run("export", "--verify", Bundle).Failed(1, "1 of ", "model.safetensors", "export the bundle again");
        Verb.Run("export", "--verify", Bundle, "--out", "x").Failed(2, "--verify exports nothing", "--out");
        Verb.Run("export", "--verify", _directory["nowhere"]).Failed(1, "there is no model bundle");
    }
}
