using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>What people have among their dictionaries, and that it refuses none of them.</summary>
public sealed class PassedOverTests : IDisposable
{
    private const string Site = "blocks.1.hook_resid_pre";

    private readonly TemporaryDirectory _directory = new();
    private readonly List<string> _passedOver = [];

    public PassedOverTests() => SaeLens("sae", Site);

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("sae/trainer_state.pt"), InlineData("sae/optimizer_0.pt"), InlineData("rank_0_state.pt"), InlineData(".git/ae.pt"),
        InlineData(".cache/huggingface/sae_weights.safetensors")]
    [InlineData("models--x/.no_exist/rev/cfg.json"), InlineData("__MACOSX/sae/._ae.pt"), InlineData("sae/._ae.pt"), InlineData("README.md"),
        InlineData("sae/sparsity.safetensors"), InlineData("sae/activation_scaler.json")]
    [InlineData("img/loss.png"), InlineData("model/model.safetensors"), InlineData("model/pytorch_model.bin"),
        InlineData("params.safetensors")]
    public void Book_keeping_and_what_a_training_leaves_are_passed_over_in_silence(string stray)
    {
        Text(stray, "no dictionary");
        Assert.Equal([Site], Found());
        Assert.Empty(_passedOver);
    }

    [Theory]
    [InlineData("notes.pt", "no pickle", "notes.pt: is no zip archive")]
    [InlineData("cfg.json", "", "cfg.json: is not valid JSON")]
    [InlineData("cfg.json", "{\"lr\": 0.1}",
        "cfg.json: there is no sae_weights.safetensors beside it, and it is no config of a dictionary")]
    [InlineData("checkpoints/final.safetensors", "",
        "final.safetensors: is a dictionary of Llama Scope if hyperparams.json lies in the folder above it")]
    [InlineData("trainer_0/checkpoints/ae_154.pt", "", "checkpoints: holds steps of a training (ae_154.pt)")]
    [InlineData("weights.pt", "version https://git-lfs.github.com/spec/v1\n", "weights.pt: is a Git LFS pointer")]
    public void What_looks_like_a_dictionary_and_is_none_is_passed_over_with_a_line(string stray, string text, string line)
    {
        Text(stray, text);
        Assert.Equal([Site], Found());
        Assert.Contains(line, Assert.Single(_passedOver));
        Assert.StartsWith(_directory.Path, _passedOver[0]);
    }

    [Fact]
    public void A_state_dict_that_is_no_dictionarys_gets_a_line_and_one_without_a_matrix_none()
    {
        TorchBytes.Write(_directory["head.pt"], new Dictionary<string, object> { ["lm_head.weight"] = TorchBytes.Tensor(0, 3, 4) });
        TorchBytes.Write(_directory["frequencies.pt"],
            new Dictionary<string, object> { ["act_freq_scores"] = TorchBytes.Tensor(0, 3), ["n_training_samples"] = 5L });
        Assert.Equal([Site], Found());
        Assert.Contains("head.pt: is no dictionary of a format that is known (it has 'lm_head.weight')", Assert.Single(_passedOver));
    }

    [Fact]
    public void Steps_of_dictionary_learning_are_passed_over_beside_the_dictionary_that_they_led_to()
    {
        const string source = "top_k/resid_post_layer_1/trainer_0/ae.pt";
        var path = FormatFiles.Copy(source, _directory["dl"]);
        var steps = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(path)!, "checkpoints")).FullName;
        foreach (var step in (string[])["0", "154", "488"]) File.Copy(path, Path.Combine(steps, $"ae_{step}.pt"));
        Assert.Equal(["blocks.1.hook_resid_post", Site], Found());
        Assert.Contains("(ae_0.pt and 2 more)", Assert.Single(_passedOver));
    }

    [Fact]
    public void Steps_of_SAELens_are_passed_over_beside_the_final_one_and_read_where_they_are_named()
    {
        Directory.Delete(_directory["sae"], recursive: true);
        foreach (var folder in (string[])["122880", "61440", "final_245760"]) SaeLens($"run/8z2xqk1p/{folder}", Site);
        Assert.Equal([Site], Found());
        Assert.Contains("8z2xqk1p: holds steps of a training (122880 and 1 more) beside what it made", Assert.Single(_passedOver));
        Assert.Single(DictionaryFinder.FindAll(_directory["run/8z2xqk1p/61440"])).Dispose();
    }

    [Fact]
    public void A_link_back_or_a_second_revision_of_links_to_the_same_files_finds_nothing_twice()
    {
        Directory.CreateSymbolicLink(_directory["sae/loop"], _directory.Path);
        Directory.CreateSymbolicLink(_directory["latest"], _directory["sae"]);
        foreach (var name in (string[])["cfg.json", "sae_weights.safetensors"])
        {
            foreach (var revision in (string[])["a1", "b2"])
            {
                Directory.CreateDirectory(_directory[$"snapshots/{revision}/x"]);
                File.CreateSymbolicLink(_directory[$"snapshots/{revision}/x/{name}"], _directory[$"sae/{name}"]);
            }
        }
        Assert.Equal([Site], Found());
        Assert.Empty(_passedOver);
    }

    [Theory]
    [InlineData("resid_post_mlp/autoencoders/1.pt", "is no zip archive")]
    [InlineData("resid_out_layer1/ae.pt", "is no zip archive")]
    [InlineData("blocks.0.hook_mlp_out/sae_weights.safetensors", "there is no such file")]
    public void A_dictionary_that_is_broken_is_refused_by_name_all_the_same(string path, string problem)
    {
        Text(path, "broken");
        var message = FormatFiles.Refused(_directory.Path);
        Assert.StartsWith(Path.GetDirectoryName(_directory[path]), message);
        Assert.Contains(problem, message);
    }

    private List<string> Found()
    {
        var found = DictionaryFinder.FindAll(_directory.Path, _passedOver.Add);
        foreach (var d in found) d.Dispose();
        return [.. found.Select(d => d.Config.HookName)];
    }

    private void SaeLens(string folder, string site) =>
        DictionaryFiles.Random(site, width: 4, features: 8, seed: 1).Write(_directory[folder]);

    private void Text(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_directory[path])!);
        File.WriteAllText(_directory[path], text);
    }
}
