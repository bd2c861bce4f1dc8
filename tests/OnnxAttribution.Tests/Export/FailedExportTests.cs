using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>An export that fails says where, and leaves nothing that looks like a bundle.</summary>
public sealed class FailedExportTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void A_weight_that_is_no_number_is_refused_by_the_tensors_name(float bad)
    {
        var checkpoint = Random2.Mapped(_directory["checkpoint"],
            (name, values) => name == "h.1.mlp.c_fc.weight" ? [.. values[..5], bad, .. values[6..]] : values);
        BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(checkpoint, _directory["bundle"]),
            Path.Combine(checkpoint, "model.safetensors"), "'h.1.mlp.c_fc.weight'", "flat index 5");
        NothingIsLeft();
    }

    [Theory, InlineData("W_enc"), InlineData("b_enc"), InlineData("W_dec"), InlineData("b_dec")]
    public void A_dictionarys_weight_that_is_no_number_is_refused_by_the_tensors_name(string tensor)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        var dictionary = DictionaryFiles.Random("blocks.1.hook_mlp_out", width: 16, features: 12, seed: 1);
        dictionary[tensor][3] = float.NaN;
        dictionary.Write(Path.Combine(checkpoint, "dictionaries", "mine"));
        BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(checkpoint, _directory["bundle"]),
            Path.Combine(checkpoint, "dictionaries", "mine"), $"'{tensor}'", "flat index 3");
        NothingIsLeft();
    }

    [Theory, InlineData("config.json"), InlineData("model.safetensors")]
    public void A_missing_file_of_the_checkpoint_is_named(string file)
    {
        var checkpoint = Random2.Copy(_directory["checkpoint"]);
        File.Delete(Path.Combine(checkpoint, file));
        BundleWriterTests.Refused<CheckpointException>(() => Random2.Bundle(checkpoint, _directory["bundle"]), checkpoint, file);
        NothingIsLeft();
    }

    [Fact]
    public void A_missing_folder_of_dictionaries_is_named()
    {
        BundleWriterTests.Refused<BundleException>(() =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["nowhere"]], _directory["bundle"])),
            _directory["nowhere"]);
        NothingIsLeft();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void An_export_that_cannot_write_the_graph_leaves_no_bundle(bool processed)
    {
        // model.onnx cannot be put where a directory lies
        Directory.CreateDirectory(Path.Combine(_directory["bundle"], "model.onnx", "in the way"));
        Assert.ThrowsAny<Exception>(() =>
            Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => o with { FoldLayerNorm = processed }));
        NothingIsLeft();
    }

    [Fact]
    public void An_export_over_a_bundle_that_fails_or_is_cancelled_leaves_the_bundle_as_it_was()
    {
        var bundle = Random2.Bundle(Random2.Checkpoint, _directory["bundle"]);
        var before = BundleWriterTests.FilesOf(_directory.Path).ToDictionary(f => f, f => File.ReadAllBytes(_directory[f]));
        BundleManifest Again(CancellationToken cancel) =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, null, bundle, FoldLayerNorm: true, Force: true), cancel);
        using (FileSteps.Refusing(bundle))
        {
            Assert.Contains("cannot be written", Assert.Throws<BundleException>(() => Again(default)).Message);
        }
        using (var cancel = new CancellationTokenSource())
        using (new FileSteps(_directory.Path, path => { if (path.EndsWith("model.onnx", StringComparison.Ordinal)) cancel.Cancel(); }))
        {
            Assert.ThrowsAny<OperationCanceledException>(() => Again(cancel.Token));
        }
        Assert.Equal(before, BundleWriterTests.FilesOf(_directory.Path).ToDictionary(f => f, f => File.ReadAllBytes(_directory[f])));
        Again(default);
        Assert.True(ModelBundle.Open(bundle).Manifest.WeightProcessing.FoldLayernorm);
        Assert.Equal([bundle], Directory.EnumerateFileSystemEntries(_directory.Path));
    }

    [Fact]
    public void A_cancelled_export_leaves_no_bundle()
    {
        Assert.ThrowsAny<OperationCanceledException>(() =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, null, _directory["bundle"], FoldLayerNorm: true),
                new CancellationToken(true)));
        NothingIsLeft();
    }

    private void NothingIsLeft()
    {
        if (!Directory.Exists(_directory["bundle"])) return;
        var files = BundleWriterTests.FilesOf(_directory["bundle"]);
        Assert.DoesNotContain("bundle.json", files);
        Assert.DoesNotContain(files, f => f.EndsWith(".part", StringComparison.Ordinal));
    }
}
