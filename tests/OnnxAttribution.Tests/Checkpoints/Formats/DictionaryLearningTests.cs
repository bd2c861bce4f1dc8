using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>What dictionary_learning's loader and its buffer of activations do besides reading the tensors.</summary>
public sealed class DictionaryLearningTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    /// <summary>torch.allclose's tolerance for lengths of 1 is 1e-5; trained rows are off by more without ConstrainedAdam.</summary>
    [Theory, InlineData(1.002f, 1.002f), InlineData(1.000005f, 1f)]
    public void Decoder_rows_that_are_nearly_of_length_1_are_brought_to_it_as_its_loader_does(float length, float factor)
    {
        var (encoder, bias, decoder) = Converted([length, 0, 0, 1]);
        Assert.Equal([0.5f * factor, 0.25f, 0.5f * factor, 0.25f], encoder);
        Assert.Equal([3 * factor, 3], bias);
        Assert.Equal(length / factor, decoder[0], 1e-6f);
        Assert.Equal([0, 0, 1], decoder[1..]);
    }

    [Fact]
    public void A_feature_whose_decoder_row_is_zero_keeps_its_encoder_and_rebuilds_nothing()
    {
        var (encoder, bias, decoder) = Converted([0, 0, 0, 2]);
        Assert.Equal([0.5f, 0.5f, 0.5f, 0.5f], encoder);
        Assert.Equal([3, 6], bias);
        Assert.Equal([0, 0, 0, 1], decoder);
    }

    /// <summary>Its buffer tokenizes with the model's own tokenizer; Llama's, Gemma's and Mistral's put BOS in front.</summary>
    [Theory]
    [InlineData("google/gemma-2-2b", true)]
    [InlineData("meta-llama/Llama-3.2-1B", true)]
    [InlineData("mistralai/Mistral-7B-v0.1", true)]
    [InlineData("EleutherAI/pythia-160m-deduped", false)]
    [InlineData("openai-community/gpt2", false)]
    [InlineData(null, false)]
    public void BOS_is_prepended_where_the_tokenizer_of_its_model_does(string? model, bool bos)
    {
        Write([1, 0, 0, 1], model);
        using var found = FormatFiles.FindOne(_directory["from"]);
        Assert.Equal(bos, found.Config.PrependBos);
    }

    private (float[] Encoder, float[] Bias, float[] Decoder) Converted(float[] decoder)
    {
        Write(decoder, null);
        using (var found = FormatFiles.FindOne(_directory["from"]))
        {
            found.Conversion!.Write(_directory["to"], "ae.pt", CancellationToken.None);
        }
        using var file = SafetensorsFile.Open(Path.Combine(_directory["to"], SaeLensDictionary.WeightsFileName));
        return (file.ReadFloats("W_enc"), file.ReadFloats("b_enc"), file.ReadFloats("W_dec"));
    }

    /// <param name="decoder">[2, 2]: a feature a column.</param>
    private void Write(float[] decoder, string? model)
    {
        const string folder = "from/resid_out_layer3";
        long[] square = [2, 2];
        TorchBytes.Write(_directory[$"{folder}/ae.pt"], new Dictionary<string, object>
        {
            ["bias"] = TorchBytes.Tensor(0, 2),
            ["encoder.weight"] = (square, new[] { 0.5f, 0.5f, 0.25f, 0.25f }),
            ["encoder.bias"] = TorchBytes.Tensor(3, 2),
            ["decoder.weight"] = (square, decoder),
        });
        var trainer = new JsonObject { ["dict_class"] = "AutoEncoder", ["lm_name"] = model };
        File.WriteAllText(_directory[$"{folder}/config.json"], new JsonObject { ["trainer"] = trainer }.ToJsonString());
    }
}
