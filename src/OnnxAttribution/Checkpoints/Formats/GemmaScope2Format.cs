namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>Gemma Scope 2's <c>layer_N_width_16k_l0_small/params.safetensors</c> with <c>config.json</c>:
/// JumpReLU, the decoder's bias not subtracted, BOS prepended.</summary>
/// <remarks>Source: SAELens's <c>gemma_3_sae_huggingface_loader</c>.
/// Of its sites only the residual stream's name says what is read: <c>model.layers.N.output</c>.</remarks>
internal static class GemmaScope2Format
{
    public const string Name = "gemma_scope_2", FileName = "params.safetensors", ConfigFileName = "config.json";

    private const string In = "hf_hook_point_in", Out = "hf_hook_point_out", Output = ".output";

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var json = ConfigJson.Read(Path.Combine(Path.GetDirectoryName(state.Path)!, ConfigFileName));
        if ((json.String("type") ?? "sae") != "sae") throw json.Refuse("type", "only dictionaries that rebuild their input are, 'sae'");
        if (json.Boolean("affine_connection") is true)
        {
            throw json.Refuse("affine_connection", "only dictionaries that rebuild their input are, not transcoders");
        }
        if (json.String("architecture") != "jump_relu") throw json.Refuse("architecture", "of Gemma Scope 2's only 'jump_relu' is");
        var read = json.Require(In, json.String(In));
        if (json.String(Out) is { } written && written != read)
        {
            throw json.Refuse(Out, "only dictionaries that rebuild their input are, not transcoders");
        }
        var site = read.EndsWith(Output, StringComparison.Ordinal) ? ModuleSites.Of(read[..^Output.Length]) : null;
        if (site?.EndsWith(".hook_resid_post", StringComparison.Ordinal) is not true)
        {
            throw json.Refuse(In, "of Gemma Scope 2's only those of the residual stream are, model.layers.N.output");
        }
        var (_, features) = state.Matrix("w_enc");
        if ((json.Integer("width", 1, 1 << 24) ?? features) != features)
        {
            throw json.Refuse("width", $"the weights have {features}; check that config and weights belong together");
        }
        return GemmaScopeFormat.Convert(state, Name, file, site, json.String("model_name")?.Split('/')[^1]);
    }
}
