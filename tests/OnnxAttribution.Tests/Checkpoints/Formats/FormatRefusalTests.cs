using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>What a dictionary of another project says of itself, and what would be computed wrongly is refused.</summary>
public sealed class FormatRefusalTests : IDisposable
{
    private const string TopK = "top_k/attn_out_layer1/trainer_0/ae.pt",
        Gated = "pythia70m_sweep_gated_ctx128_0730/resid_post_layer_4/trainer_0/ae.pt", Sparsify = "layers.9/sae.safetensors",
        Kissane = "gpt2-small_L0_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
        OpenAi = "resid_post_mlp_v5_32k/autoencoders/5.pt", Gemma = "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(TopK, "trainer.dict_class", "\"CrossCoder\"",
        "trainer.dict_class is 'CrossCoder', which is not supported; only AutoEncoder,")]
    [InlineData(TopK, "trainer.dict_class", "\"GatedAutoEncoder\"", "has no tensor 'gate_bias'")]
    [InlineData(TopK, "trainer.dict_class", "\"AutoEncoder\"", "has no tensor 'bias'")]
    [InlineData(Gated, "trainer.dict_class", "\"AutoEncoder\"", "has no tensor 'encoder.bias'")]
    [InlineData(TopK, "trainer.k", "4", "has k 3 where its config.json says 4")]
    [InlineData(TopK, "trainer.activation_dim", "512", "trainer.activation_dim is 512, which is not supported; the weights have 6")]
    [InlineData(TopK, "trainer.dict_size", "32768", "trainer.dict_size is 32768, which is not supported; the weights have 10")]
    [InlineData(Sparsify, "k", "null", "has no key 'k'")]
    [InlineData(Sparsify, "k", "11", "k is 11 where an integer from 1 to 10 is expected")]
    [InlineData(Sparsify, "d_in", "7", "d_in is 7, which is not supported; the weights have 6")]
    [InlineData(Sparsify, "activation", "\"groupmax\"", "activation is 'groupmax', which is not supported; only 'topk' is")]
    [InlineData(Sparsify, "transcode", "true",
        "transcode is true, which is not supported; only TopK dictionaries that rebuild their input are, not transcoders")]
    [InlineData(Sparsify, "skip_connection", "true", "skip_connection is true")]
    [InlineData(Sparsify, "signed", "true", "signed is true")]
    [InlineData(Kissane, "act_size", "768", "tensor 'W_enc' has shape [6, 10] where [768, 10] is expected")]
    [InlineData(Kissane, "act_name", "null", "has no key 'act_name'")]
    public void A_config_that_the_weights_or_the_program_do_not_agree_with_is_refused(string source, string key, string value,
        string problem)
    {
        var weights = FormatFiles.Copy(source, _directory.Path);
        var path = Directory.GetFiles(Path.GetDirectoryName(weights)!, "*.json").Single();
        var json = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        var keys = key.Split('.');
        (keys.Length == 1 ? json : json[keys[0]]!.AsObject())[keys[^1]] = JsonNode.Parse(value);
        File.WriteAllText(path, json.ToJsonString());
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void Without_its_config_a_TopK_is_refused_since_it_may_be_a_BatchTopK()
    {
        File.Delete(Path.Combine(Path.GetDirectoryName(FormatFiles.Copy(TopK, _directory.Path))!, "config.json"));
        Assert.Contains("has no config.json beside it, without which TopK and BatchTopK cannot be told apart",
            FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void A_sparsify_dictionary_without_its_config_is_refused()
    {
        File.Delete(Path.Combine(Path.GetDirectoryName(FormatFiles.Copy(Sparsify, _directory.Path))!, "cfg.json"));
        Assert.Contains("cfg.json: there is no such file", FormatFiles.Refused(_directory.Path));
    }

    [Theory]
    [InlineData(OpenAi, "some/5.pt",
        "is one of OpenAI's autoencoders, and which site it is for stands in its path alone; name it as it is published")]
    [InlineData(OpenAi, "mlp_post_act/autoencoders/5.pt", "location 'mlp_post_act' is no site")]
    [InlineData(Gemma, "width_16k/average_l0_71/params.npz", "its path does not say which layer it is of")]
    [InlineData(Gated, "ae/ae.pt", "neither its config.json nor its path says which site it is of")]
    [InlineData(Gemma, "layer_3/width_16k/average_l0_71/params.npz",
        "does not say whether it is of the residual stream, the MLP or the attention; name a folder above it as its repository is")]
    [InlineData(Gemma, "ae.pt", "has no data.pkl, so it is no file of torch.save")]
    public void A_path_that_does_not_say_the_site_is_refused(string source, string path, string problem)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_directory[path])!);
        File.Copy(Path.Combine(FormatFiles.Published, source), _directory[path]);
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    public static TheoryData<string, object?, string> States => new()
    {
        { "activation", null, "has no text 'activation'" },
        { "activation", "Identity", "activation is 'Identity', which is not supported; only 'ReLU' and 'TopK' are" },
        { "activation", "TopK", "what follows TopK is 'missing'" },
        { "latent_bias", TorchBytes.Tensor(0, 7), "tensor 'latent_bias' has shape [7] where [8] is expected" },
        { "decoder.weight", null, "has no tensor 'decoder.weight'" },
        { "decoder.weight", TorchBytes.Tensor(0, 8, 4), "tensor 'decoder.weight' has shape [8, 4] where [4, 8] is expected" },
        { "encoder.weight", TorchBytes.Tensor(0, 8), "tensor 'encoder.weight' has shape [8] where a matrix is expected" },
        { "encoder.weight", "no tensor", "has no tensor 'encoder.weight'" },
        { "skip", TorchBytes.Tensor(0, 4, 4), "has 'skip', which a dictionary of the kind ReLU does not have" },
        { "W_skip", TorchBytes.Tensor(0, 4, 4), "has tensor 'W_skip', so it is a transcoder" },
    };

    [Theory, MemberData(nameof(States))]
    public void A_state_that_is_not_a_dictionarys_is_refused(string name, object? value, string problem)
    {
        var state = OpenAiState();
        if (value is null) state.Remove(name);
        else state[name] = value;
        TorchBytes.Write(_directory["resid_post_mlp/autoencoders/1.pt"], state);
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void A_weight_that_is_no_number_is_refused_when_it_is_converted_and_leaves_no_weights()
    {
        var state = OpenAiState();
        state["decoder.weight"] = TorchBytes.Tensor(float.NaN, 4, 8);
        TorchBytes.Write(_directory["from/resid_post_mlp/autoencoders/1.pt"], state);
        using var found = FormatFiles.FindOne(_directory["from"]);
        var message =
            Assert.Throws<CheckpointException>(() => found.Conversion!.Write(_directory["to"], "x", CancellationToken.None)).Message;
        Assert.Contains("1.pt: what becomes W_dec has a NaN or infinity", message);
        Assert.Empty(Directory.GetFiles(_directory["to"]));
    }

    [Theory]
    [InlineData("a/cfg.json", "{\"d_in\": 4, \"d_sae\": 8}",
        "sae_weights.safetensors: there is no such file, though a cfg.json lies beside it")]
    public void What_looks_like_a_dictionary_and_is_not_read_is_named(string file, string text, string problem)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_directory[file])!);
        File.WriteAllText(_directory[file], text);
        File.WriteAllText(_directory["config.yaml"], "");
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    /// <summary>What lies behind an array in the file is another array: it must not be read as the rest of it.</summary>
    [Theory]
    [InlineData("'shape': (6, 10)", "'shape': (8, 10)", "array 'W_enc' is damaged")]
    [InlineData("'<f4'", "'<f8'", "' is damaged")]
    public void An_array_that_is_longer_than_its_entry_is_refused(string header, string other, string problem)
    {
        var path = FormatFiles.Copy(Gemma, _directory.Path);
        var text = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(path));
        Assert.Contains(header, text);
        File.WriteAllBytes(path, System.Text.Encoding.Latin1.GetBytes(text.Replace(header, other)));
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void An_entry_that_is_stored_in_another_size_than_its_own_is_refused()
    {
        var path = FormatFiles.Copy(Gemma, _directory.Path);
        var bytes = File.ReadAllBytes(path);
        bytes[bytes.AsSpan().IndexOf("PK\x01\x02"u8) + 20]--;   // the stored size in the list of entries
        File.WriteAllBytes(path, bytes);
        Assert.Contains("is a damaged zip archive", FormatFiles.Refused(_directory.Path));
    }

    private static Dictionary<string, object> OpenAiState() => new()
    {
        ["pre_bias"] = TorchBytes.Tensor(0, 4),
        ["encoder.weight"] = TorchBytes.Tensor(0.5f, 8, 4),
        ["latent_bias"] = TorchBytes.Tensor(0, 8),
        ["decoder.weight"] = TorchBytes.Tensor(0.5f, 4, 8),
        ["activation"] = "ReLU",
    };
}
