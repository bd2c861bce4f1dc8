using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>Sites between and within the sublayers of a foreign graph, and its inputs besides the tokens.</summary>
public sealed class ForeignSitesTests
{
    private const string Attn0 = "blocks.0.hook_attn_out";

    [Fact]
    public void A_stream_between_the_sublayers_that_is_behind_a_norm_does_not_separate()
    {
        using var model = new ForeignModel("llama-17");
        model.SiteNames.Remove(Attn0);
        model.SiteNames["blocks.0.hook_resid_mid"] = "/model/model/layers.0/post_attention_layernorm/Mul_1_output_0";
        model.Refused("blocks.0.hook_resid_mid", "does not separate the graph", "name the residual stream itself");
    }

    [Fact]
    public void The_values_of_a_block_are_not_its_heads_output()
    {
        using var model = new ForeignModel("gpt2-13");
        model.SiteNames["blocks.0.attn.hook_z"] =
            model.Graph.Graph.Node.First(n => n.OpType == "MatMul" && n.Input[0] == "/model/h.0/attn/Softmax_output_0").Input[1];
        model.Refused("blocks.0.attn.hook_z", "does not separate", $"leads to {Attn0} past it; name the output of all heads");
    }

    [Theory]
    [InlineData("attention_mask", "Ones"), InlineData("position_ids", "Positions"), InlineData("cache_position", "Positions")]
    [InlineData("token_type_ids", "Zeros"), InlineData("past_key_values.0.key", "Past")]
    [InlineData("input_ids", "Tokens"), InlineData("tokens", "Tokens"), InlineData("use_cache_branch", "HasPast")]
    [InlineData("past_key_values_0_value", "Past"), InlineData("past_key_values_key_cache_0", "Past"), InlineData("past_key_0", "Past"),
        InlineData("past_value_11", "Past"), InlineData("past_0", "Past"), InlineData("past", "Past")]
    [InlineData("past_sequence_length", "Other"), InlineData("pasture", "Other"), InlineData("pixels", "Other")]
    public void Inputs_besides_the_tokens_hold_what_hugging_face_gives_them(string input, string meaning) =>
        Assert.Equal(meaning, ForeignInputs.Named(input).ToString());
}
