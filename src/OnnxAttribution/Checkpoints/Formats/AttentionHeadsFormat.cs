namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>The attention dictionaries of Kissane et al. (ckkissane/attn-saes-gpt2-small-all-layers):
/// <c>NAME.pt</c> with <c>NAME_cfg.json</c>; ReLU, heads side by side, BOS prepended.</summary>
/// <remarks>Source: SAELens's <c>connor_rob_hook_z_huggingface_loader</c>. Their authors load GPT-2 by TransformerLens's
/// <c>from_pretrained</c>, which folds LayerNorm, centres and folds value biases, in this order, unless it is told otherwise.</remarks>
internal static class AttentionHeadsFormat
{
    public const string Name = "kissane_attention";

    public static string ConfigOf(string path) => path[..^".pt".Length] + "_cfg.json";

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var json = ConfigJson.Read(ConfigOf(state.Path));
        var width = json.Require("act_size", json.Integer("act_size", 1, 1 << 20));
        var features = json.Require("dict_size", json.Integer("dict_size", 1, 1 << 24));
        var site = json.Require("act_name", json.String("act_name"));
        ConvertedTensor[] tensors =
        [
            ConvertedTensor.Matrix("W_enc", state["W_enc"].Require(width, features)),
            ConvertedTensor.Vector("b_enc", state.Vector("b_enc", features)), ConvertedTensor.Matrix("W_dec",
                state["W_dec"].Require(features, width)), ConvertedTensor.Vector("b_dec", state.Vector("b_dec", width)),
        ];
        state.RequireAllRead("ReLU");
        var config = new ConvertedConfig(DictionaryArchitecture.Standard, width, features, site)
        {
            Model = json.String("model_name") ?? "gpt2-small",
            PrependBos = true,
            SubtractsBias = true,
        }.ToJson();
        config["metadata"]!["model_from_pretrained_kwargs"] = new System.Text.Json.Nodes.JsonObject
        {
            ["center_writing_weights"] = true,
            ["fold_value_biases"] = true
        };
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }
}
