using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>Facts that a dictionary's numbers depend on are read off its files and its real path, or asked for.</summary>
public sealed class SaidNotAssumedTests : IDisposable
{
    private const string Gemma = "gemma-scope-2b-pt-mlp/layer_3/width_16k/average_l0_60/params.npz";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("resid_post_layer_0", "out", "blocks.0.hook_resid_post"),
        InlineData("resid_post_layer_0", null, "blocks.0.hook_resid_post"), InlineData("mlp_out_layer0", "out", "blocks.0.hook_mlp_out")]
    [InlineData("resid_post_layer_2", "in", "blocks.2.hook_resid_pre")]
    public void What_dictionary_learnings_buffer_gave_is_the_site(string module, string? io, string site)
    {
        WriteBatchTopK(module, io, 0.3f);
        using var found = FormatFiles.FindOne(_directory.Path);
        Assert.Equal(site, found.Config.HookName);
    }

    [Theory]
    [InlineData("resid_post_layer_0", "in_and_out", "buffer.io is 'in_and_out', which is not supported; it is a transcoder's")]
    [InlineData("mlp_out_layer0", "in",
        "buffer.io is 'in', which is not supported; of a module that writes blocks.0.hook_mlp_out the input is no site")]
    [InlineData("mlp_out_layer0", "both", "buffer.io is 'both', which is not supported; only 'out' and 'in' are")]
    public void A_buffer_that_gave_no_site_is_refused(string module, string io, string problem)
    {
        WriteBatchTopK(module, io, 0.3f);
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    /// <summary>A layer is no site: it may be of the residual stream, attention or the MLP.</summary>
    [Fact]
    public void A_layer_alone_says_no_site()
    {
        WriteBatchTopK("mine", "out", 0.3f);
        var path = _directory["mine/trainer_0/config.json"];
        File.WriteAllText(path, """{"trainer": {"dict_class": "BatchTopKSAE", "layer": 3, "k": 2}}""");
        Assert.Contains("neither its config.json nor its path says which site it is of", FormatFiles.Refused(_directory.Path));
    }

    [Theory, InlineData("MatroyshkaBatchTopKSAE"), InlineData("MatryoshkaBatchTopKSAE")]
    public void A_threshold_that_was_never_learnt_is_no_threshold(string kind)
    {
        WriteMatryoshka(kind, -1);
        var message = FormatFiles.Refused(_directory.Path);
        Assert.Contains("has threshold -1, so that it was never learnt", message);
        Assert.DoesNotContain("AutoEncoderTopK", message);
        File.Delete(_directory["resid_post_layer_0/trainer_0/ae.pt"]);
        WriteBatchTopK("resid_post_layer_0", "out", -1);
        Assert.Contains("write \"dict_class\": \"AutoEncoderTopK\" in its config.json to read it as TopK of its k, 2",
            FormatFiles.Refused(_directory.Path));
        File.Delete(_directory["resid_post_layer_0/trainer_0/ae.pt"]);
        WriteBatchTopK("resid_post_layer_0", "out", -1, "AutoEncoderTopK");
        using var found = FormatFiles.FindOne(_directory.Path);
        Assert.Equal((DictionaryArchitecture.TopK, 2), (found.Config.Architecture, found.Config.K));
    }

    [Theory, InlineData("MatroyshkaBatchTopKSAE"), InlineData("MatryoshkaBatchTopKSAE")]
    public void Both_spellings_of_Matryoshka_are_read(string kind)
    {
        WriteMatryoshka(kind, 0.3f);
        using var found = FormatFiles.FindOne(_directory.Path);
        Assert.Equal(DictionaryArchitecture.JumpRelu, found.Config.Architecture);
    }

    [Theory]
    [InlineData("layers.9", "input", "blocks.9.hook_resid_pre"), InlineData("layers.9", "output", "blocks.9.hook_resid_post"),
        InlineData("layers.9", null, "blocks.9.hook_resid_post")]
    public void What_sparsify_hooked_is_the_site(string folder, string? mode, string site)
    {
        WriteRun(folder, mode);
        using var found = FormatFiles.FindOne(_directory.Path);
        Assert.Equal(site, found.Config.HookName);
    }

    [Theory, InlineData("layers.9", "transcode", "it is a transcoder's"),
        InlineData("layers.9.mlp", "input", "of a module that writes blocks.9.hook_mlp_out the input is no site")]
    public void A_mode_of_sparsify_that_gives_no_site_is_refused(string folder, string mode, string problem)
    {
        WriteRun(folder, mode);
        Assert.Contains($"hook_mode is '{mode}', which is not supported; {problem}", FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void A_site_is_read_off_the_real_path_however_it_is_given()
    {
        FormatFiles.Copy(Gemma, _directory.Path);
        Directory.CreateSymbolicLink(_directory["mine"], _directory["gemma-scope-2b-pt-mlp"]);
        Directory.CreateSymbolicLink(_directory["gemma-scope-2b-pt-res"], _directory["gemma-scope-2b-pt-mlp/layer_3"]);
        foreach (var given in (string[])["gemma-scope-2b-pt-mlp", "mine", "mine/layer_3", "gemma-scope-2b-pt-res",
            "gemma-scope-2b-pt-mlp/../mine/."])
        {
            using var found = Assert.Single(DictionaryFinder.FindAll(_directory[given]));
            Assert.Equal("blocks.3.hook_mlp_out", found.Config.HookName);
        }
    }

    [Fact]
    public void A_link_that_is_named_as_its_target_is_not_names_the_site()
    {
        var path = FormatFiles.Copy(Gemma, _directory.Path);
        Directory.Move(Path.GetDirectoryName(path)!, _directory["plain"]);
        Directory.Delete(_directory["gemma-scope-2b-pt-mlp"], recursive: true);
        Directory.CreateDirectory(_directory["gemma-scope-2b-pt-att/layer_7"]);
        Directory.CreateSymbolicLink(_directory["gemma-scope-2b-pt-att/layer_7/width_16k"], _directory["plain"]);
        using var found = Assert.Single(DictionaryFinder.FindAll(_directory["gemma-scope-2b-pt-att"]));
        Assert.Equal("blocks.7.attn.hook_z", found.Config.HookName);
    }

    private void WriteBatchTopK(string module, string? io, float threshold, string kind = "BatchTopKSAE") =>
        Write(module, io, kind, new Dictionary<string, object>
        {
            ["encoder.weight"] = TorchBytes.Tensor(0.5f, 6, 4),
            ["encoder.bias"] = TorchBytes.Tensor(0, 6),
            ["decoder.weight"] = TorchBytes.Tensor(0.5f, 4, 6),
            ["b_dec"] = TorchBytes.Tensor(0, 4),
            ["k"] = TorchBytes.Tensor(2),
            ["threshold"] = TorchBytes.Tensor(threshold),
        });

    private void WriteMatryoshka(string kind, float threshold) => Write("resid_post_layer_0", "out", kind, new Dictionary<string, object>
    {
        ["W_enc"] = TorchBytes.Tensor(0.5f, 4, 6),
        ["b_enc"] = TorchBytes.Tensor(0, 6),
        ["W_dec"] = TorchBytes.Tensor(0.5f, 6, 4),
        ["b_dec"] = TorchBytes.Tensor(0, 4),
        ["k"] = TorchBytes.Tensor(2),
        ["threshold"] = TorchBytes.Tensor(threshold),
    });

    private void Write(string module, string? io, string kind, Dictionary<string, object> state)
    {
        TorchBytes.Write(_directory[$"{module}/trainer_0/ae.pt"], state);
        var config = new JsonObject { ["trainer"] = new JsonObject { ["dict_class"] = kind, ["submodule_name"] = module, ["k"] = 2 } };
        if (io is not null) config["buffer"] = new JsonObject { ["io"] = io };
        File.WriteAllText(_directory[$"{module}/trainer_0/config.json"], config.ToJsonString());
    }

    private void WriteRun(string folder, string? mode)
    {
        FormatFiles.Copy($"{folder}/sae.safetensors", _directory.Path);
        File.WriteAllText(_directory["config.json"], new JsonObject { ["hook_mode"] = mode, ["model"] = "gpt2" }.ToJsonString());
    }
}
