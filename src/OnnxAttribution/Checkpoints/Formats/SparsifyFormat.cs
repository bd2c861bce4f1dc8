namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>EleutherAI sparsify's <c>layers.5/sae.safetensors</c> with <c>cfg.json</c>:
/// TopK, the decoder's bias subtracted, no normalisation, no BOS.</summary>
/// <remarks>Source: EleutherAI/sparsify, sparse_coder.py, fused_encoder.py and config.py.
/// <c>multi_topk</c> is a loss and changes nothing once trained; <c>normalize_decoder</c> is done while training.</remarks>
internal static class SparsifyFormat
{
    public const string Name = "sparsify", FileName = "sae.safetensors";

    // of the whole training, beside the folders of its dictionaries
    private const string RunConfigFileName = "config.json";

    private static readonly string[] s_notRead = ["transcode", "skip_connection", "embed_skip", "gram_lookup", "signed"];

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var folder = Path.GetDirectoryName(state.Path)!;
        var json = ConfigJson.Read(Path.Combine(folder, SaeLensDictionary.ConfigFileName));
        if ((json.String("activation") ?? "topk") != "topk") throw json.Refuse("activation", "only 'topk' is");
        foreach (var key in s_notRead)
        {
            if (json.Boolean(key) is true)
            {
                throw json.Refuse(key, "only TopK dictionaries that rebuild their input are, not transcoders or signed ones");
            }
        }
        var output = ModuleSites.OfPaths(state.Folders) ?? throw new CheckpointException(state.Path,
            "its folder's name is no module that is known; name it as it is published, such as layers.5 or layers.5.mlp.");
        var site = Read(output, Path.Combine(Path.GetDirectoryName(Path.GetFullPath(folder))!, RunConfigFileName));
        var (features, width) = state.Matrix("encoder.weight");
        if ((json.Integer("d_in", 1, 1 << 24) ?? width) != width)
        {
            throw json.Refuse("d_in", $"the weights have {width}; check that config and weights belong together");
        }
        var config = new ConvertedConfig(DictionaryArchitecture.TopK, width, features, site)
        {
            Model = null,
            PrependBos = false,
            SubtractsBias = true,
        }.ToJson();
        config["k"] = json.Require("k", json.Integer("k", 1, 1 << 24));
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["encoder.weight"].Require(features, width).Transposed),
            ConvertedTensor.Vector("b_enc", state.Vector("encoder.bias", features)), ConvertedTensor.Matrix("W_dec",
                state["W_dec"].Require(features, width)), ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
        ];
        state.RequireAllRead("TopK");
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    private static string Read(string output, string runConfig)
    {
        if (!File.Exists(runConfig)) return output;
        var json = ConfigJson.Read(runConfig);
        return json.String("hook_mode") switch
        {
            null or "output" => output,
            "input" => ModuleSites.InputOf(output) ?? throw json.Refuse("hook_mode",
                $"of a module that writes {output} the input is no site; only a block's input is, hook_resid_pre"),
            "transcode" => throw json.Refuse("hook_mode", "it is a transcoder's; only dictionaries that rebuild their input are"),
            _ => throw json.Refuse("hook_mode", "only 'output' and 'input' are"),
        };
    }
}
