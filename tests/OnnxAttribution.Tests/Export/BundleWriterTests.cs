using System.Security.Cryptography;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

public sealed class BundleWriterTests : IDisposable
{
    private static readonly int[] s_tokens = [256, 67, 83, 87, 45];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("none"), InlineData("all")]
    public void Exporting_twice_gives_identical_bytes(string plan)
    {
        foreach (var at in (string[])["a/model", "b/model"])
        {
            BundleWriter.Write(WeightProcessingTests.Options(new ExportOptions(Random2.Checkpoint, null, _directory[at]), plan));
        }
        var files = FilesOf(_directory["a/model"]);
        Assert.Equal(files, FilesOf(_directory["b/model"]));
        Assert.Contains("bundle.json", files);
        Assert.All(files,
            f => Assert.Equal(File.ReadAllBytes(Path.Combine(_directory["a/model"], f)),
                File.ReadAllBytes(Path.Combine(_directory["b/model"], f))));
    }

    [Fact]
    public void A_bundle_in_another_directory_links_the_weights_and_copies_none()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        Random2.Bundle(checkpoint, _directory["bundle"]);
        foreach (var file in (string[])["model.safetensors", "dictionaries/blocks.0.hook_mlp_out/sae_weights.safetensors"])
        {
            File.AppendAllText(Path.Combine(checkpoint, file), "seen");
            Assert.EndsWith("seen", File.ReadAllText(Path.Combine(_directory["bundle"], file)));
        }
    }

    [Theory]
    [InlineData("bundle", false)]
    [InlineData("bundle", true)]
    [InlineData("checkpoint", false)]
    public void The_manifest_has_length_and_hash_of_every_file_though_weights_are_read_once(string to, bool folded)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        // weights lie in the bundle by their sites' names, wherever they came from
        Directory.Move(Path.Combine(checkpoint, "dictionaries", "blocks.0.hook_mlp_out"), Path.Combine(checkpoint, "dictionaries", "mine"));
        var bundle = Random2.Bundle(checkpoint, _directory[to], o => o with { FoldLayerNorm = folded });
        var files = BundleManifest.Read(bundle).Files;
        Assert.Equal(FilesOf(bundle).Where(f => f != "bundle.json"), files.Keys.Order(StringComparer.Ordinal));
        Assert.All(files,
            f =>
                Assert.Equal(new BundleManifest.FileRecord(new FileInfo(Path.Combine(bundle, f.Key)).Length,
                    Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(bundle, f.Key)))),
                    FileSample.Of(Path.Combine(bundle, f.Key))),
                    f.Value));
    }

    [Fact]
    public void A_bundle_holds_everything_it_needs()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        Random2.Bundle(checkpoint, _directory["bundle"]);
        Directory.Delete(checkpoint, recursive: true);
        using var session = new PlainSession(_directory["bundle"]);
        Assert.All(session.Logits(s_tokens), v => Assert.True(float.IsFinite(v)));
        var bundle = ModelBundle.Open(_directory["bundle"]);
        Assert.Equal(7, bundle.Sites.Count(bundle.HasDictionary));
        foreach (var site in bundle.Sites)
        {
            using var dictionary = bundle.OpenDictionary(site)!;
            Assert.Equal(40, dictionary.FeatureCount);
        }
    }

    [Theory, InlineData(""), InlineData("/"), InlineData("/../checkpoint")]
    public void A_bundle_in_the_checkpoints_own_directory_leaves_the_checkpoint_as_it_was(string spelling)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        var before = FilesOf(checkpoint).ToDictionary(f => f, f => File.ReadAllBytes(Path.Combine(checkpoint, f)));
        BundleWriter.Write(new ExportOptions(checkpoint, null, checkpoint + spelling));
        Assert.All(before, f => Assert.Equal(f.Value, File.ReadAllBytes(Path.Combine(checkpoint, f.Key))));
        Assert.Equal(["bundle.json", "model.onnx"], FilesOf(checkpoint).Except(before.Keys));
        using var session = new PlainSession(checkpoint);
        using var elsewhere = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["other"]));
        Assert.Equal(elsewhere.Logits(s_tokens), session.Logits(s_tokens));
        Assert.Equal(7, ModelBundle.Open(checkpoint).Manifest.Dictionaries.Count);
    }

    [Fact]
    public void An_export_through_a_link_to_the_checkpoint_destroys_nothing()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"], withDictionaries: true);
        var before = FilesOf(checkpoint).ToDictionary(f => f, f => File.ReadAllBytes(Path.Combine(checkpoint, f)));
        Directory.CreateSymbolicLink(_directory["link"], checkpoint);
        Random2.Bundle(checkpoint, _directory["link"]);
        Assert.All(before, f => Assert.Equal(f.Value, File.ReadAllBytes(Path.Combine(checkpoint, f.Key))));
        Assert.Equal(["bundle.json", "model.onnx"], FilesOf(checkpoint).Except(before.Keys));
        using var session = new PlainSession(_directory["link"]);
        Assert.Equal(7, ModelBundle.Open(_directory["link"]).Manifest.Dictionaries.Count);
    }

    [Fact]
    public void An_export_with_the_bundles_own_dictionaries_destroys_nothing()
    {
        var bundle = Random2.Bundle(Random2.Checkpoint, _directory["bundle"]);
        var before = FilesOf(bundle);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [Path.Combine(bundle, "dictionaries")], bundle, Force: true));
        Assert.Equal(before, FilesOf(bundle));
        Assert.Equal(7, ModelBundle.Open(bundle).Manifest.Dictionaries.Count);
    }

    [Fact]
    public void A_bundle_that_is_there_is_not_overwritten_without_being_asked()
    {
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"]);
        var written = File.ReadAllBytes(Path.Combine(_directory["bundle"], "bundle.json"));
        Refused<BundleException>(() => Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FoldLayerNorm = true }),
            _directory["bundle"], "--force");
        Assert.Equal(written, File.ReadAllBytes(Path.Combine(_directory["bundle"], "bundle.json")));
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FoldLayerNorm = true, Force = true });
        Assert.True(BundleManifest.Read(_directory["bundle"]).WeightProcessing.FoldLayernorm);
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { Force = true });
        Assert.Equal(["bundle.json", "config.json", "merges.txt", "model.onnx", "model.safetensors", "vocab.json"],
            FilesOf(_directory["bundle"]).Where(f => !f.StartsWith("dictionaries", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_dictionary_of_another_width_is_refused()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        DictionaryFiles.Random("blocks.1.hook_mlp_out", width: 8, features: 12, seed: 1)
            .Write(Path.Combine(checkpoint, "dictionaries", "mine"));
        Refused<BundleException>(() => Random2.Bundle(checkpoint, _directory["bundle"]), Path.Combine(checkpoint, "dictionaries", "mine"),
            "width 8, the model has width 16");
    }

    [Theory, InlineData("blocks.2.hook_resid_pre"), InlineData("blocks.2.attn.hook_z"), InlineData("blocks.0.ln1.hook_normalized"),
        InlineData("blocks.2.hook_resid_post")]
    public void A_dictionary_of_a_site_that_the_model_does_not_have_is_refused(string site)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        DictionaryFiles.Random(site, width: 16, features: 12, seed: 1).Write(Path.Combine(checkpoint, "dictionaries", "mine"));
        Refused<BundleException>(() => Random2.Bundle(checkpoint, _directory["bundle"]),
            Path.Combine(checkpoint, "dictionaries", "mine"), $"'{site}'");
    }

    [Fact]
    public void A_dictionary_of_resid_post_below_the_last_block_is_one_of_the_next_blocks_resid_pre()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        DictionaryFiles.Random("blocks.0.hook_resid_post", width: 16, features: 12, seed: 1)
            .Write(Path.Combine(checkpoint, "dictionaries", "mine"));
        var record = Assert.Single(BundleManifest.Read(Random2.Bundle(checkpoint, _directory["bundle"])).Dictionaries);
        Assert.Equal(("blocks.1.hook_resid_pre", "blocks.0.hook_resid_post"), (record.Site, record.HookName));
        var bundle = ModelBundle.Open(_directory["bundle"]);
        Assert.True(bundle.HasDictionary(bundle.SiteNamed("blocks.1.hook_resid_pre")));
    }

    [Fact]
    public void Two_dictionaries_of_one_site_under_its_two_names_are_refused()
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        DictionaryFiles.Random("blocks.0.hook_resid_post", width: 16, features: 12, seed: 1)
            .Write(Path.Combine(checkpoint, "dictionaries", "a"));
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width: 16, features: 12, seed: 1)
            .Write(Path.Combine(checkpoint, "dictionaries", "b"));
        Refused<BundleException>(() => Random2.Bundle(checkpoint, _directory["bundle"]), "blocks.1.hook_resid_pre");
    }

    internal static void Refused<T>(Action act, params string[] parts) where T : Exception
    {
        var thrown = Assert.Throws<T>(act);
        Assert.DoesNotContain('\n', thrown.Message);
        var line = FailureLine.Of(thrown, "the test");   // with the options' names, as users see it
        Assert.All(parts, part => Assert.Contains(part, line));
    }

    internal static List<string> FilesOf(string directory) =>
        [.. Directory.GetFiles(directory, "*", SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(directory, f).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)];
}
