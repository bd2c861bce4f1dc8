namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>EleutherAI sparsify's <c>layers.5/sae.safetensors</c> with <c>cfg.json</c>: TopK, the decoder's bias subtracted, no normalisation, no BOS.</summary>
/// <remarks>Source: EleutherAI/sparsify, sparse_coder.py, fused_encoder.py and config.py. <c>multi_topk</c> is a loss and changes nothing once trained; <c>normalize_decoder</c> is done while training.</remarks>
internal static class SparsifyFormat
{
    public const string Name = "sparsify", FileName = "sae.safetensors";

    private static readonly string[] s_notRead = ["transcode", "skip_connection", "embed_skip", "gram_lookup", "signed"];

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var folder = Path.GetDirectoryName(state.Path)!;
        var json = ConfigJson.Read(Path.Combine(folder, SaeLensDictionary.ConfigFileName));
        if ((json.String("activation") ?? "topk") != "topk") throw json.Refuse("activation", "only 'topk' is");
        foreach (var key in s_notRead)
        {
            if (json.Boolean(key) is true) throw json.Refuse(key, "only TopK dictionaries that rebuild their input are, not transcoders or signed ones");
        }
        var site = ModuleSites.OfPath(folder) ?? throw new CheckpointException(state.Path, "its folder's name is no module that is known; name it as it is published, such as layers.5 or layers.5.mlp.");
        var (features, width) = state.Matrix("encoder.weight");
        if ((json.Integer("d_in", 1, 1 << 24) ?? width) != width) throw json.Refuse("d_in", $"the weights have {width}; check that config and weights belong together");
        var config = DictionaryConversion.NewConfig(DictionaryArchitecture.TopK, width, features, site, null, prependBos: false, subtractsBias: true);
        config["k"] = json.Require("k", json.Integer("k", 1, 1 << 24));
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["encoder.weight"].Require(features, width).Transposed), ConvertedTensor.Vector("b_enc", state.Vector("encoder.bias", features)),
            ConvertedTensor.Matrix("W_dec", state["W_dec"].Require(features, width)), ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
        ];
        state.RequireAllRead("TopK");
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }
}
