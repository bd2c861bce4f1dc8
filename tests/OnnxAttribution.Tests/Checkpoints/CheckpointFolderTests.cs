using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>What people give where a checkpoint's directory is asked for: the line says what it is and what to do.</summary>
public sealed class CheckpointFolderTests : IDisposable
{
    private const string Gpt2 = """{"model_type":"gpt2","n_layer":2,"n_head":2,"n_embd":4,"n_positions":8,"vocab_size":10}""";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("openai-community/gpt2"), InlineData("EleutherAI/pythia-70m"), InlineData("gpt2-of-nobody")]
    public void A_name_on_the_hub_is_told_from_a_missing_directory(string name)
    {
        var thrown = Assert.Throws<CheckpointException>(() => Architectures.Read(name));
        Assert.Equal($"{name}: there is no such directory; give the directory that holds config.json and model.safetensors; "
            + "if this is a name on the Hugging Face hub, fetch it first.", thrown.Message);
        Assert.Equal(new NextStep(StepKind.Fetch, name), thrown.Next);
    }

    [Fact]
    public void A_missing_path_is_no_name_on_the_hub() =>
        Assert.DoesNotContain("hub", Refused(() => Architectures.Read(_directory["a/b/c"])));

    [Fact]
    public void A_file_of_the_checkpoint_is_not_its_directory()
    {
        Write("config.json", Gpt2);
        Assert.Contains("config.json: is a file; give the directory that holds",
            Refused(() => Architectures.Read(_directory["config.json"])));
    }

    [Theory]
    [InlineData("adapter_config.json", """{"peft_type":"LORA","base_model_name_or_path":"gpt2"}""",
        "holds an adapter (LORA) of 'gpt2', not a model; merge it into its model first: PeftModel")]
    [InlineData("adapter_config.json", """{"lora_alpha":NaN}""", "holds an adapter, not a model")]
    [InlineData("adapter_config.json", "version https://git-lfs.github.com/spec/v1\n", "adapter_config.json: is a Git LFS pointer")]
    [InlineData("snapshots/0a1b/config.json", Gpt2,
        "is a folder of the hub's cache; give the folder of a commit below snapshots in it, such as '0a1b'")]
    [InlineData("checkpoint-500/config.json", Gpt2,
        "has no config.json, but folders in it have; give one of them, such as 'checkpoint-500'")]
    [InlineData("model.onnx", "", "holds an ONNX graph and no checkpoint; give the .onnx file instead")]
    [InlineData("llama-2-7b.Q4_K_M.gguf", "", "holds GGUF")]
    [InlineData("consolidated.00.pth", "", "in their author's own layout")]
    [InlineData("readme.txt", "", "config.json: there is no such file")]
    public void A_folder_without_a_config_says_what_it_is(string file, string text, string reason)
    {
        Write(file, text);
        Assert.Contains(reason, Refused(() => Architectures.Read(_directory.Path)));
    }

    [Theory]
    [InlineData("pytorch_model.bin", "has its weights in pytorch_model.bin, which is not read; "
        + "AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW) of transformers writes model.safetensors")]
    [InlineData("pytorch_model-00001-of-00002.bin", "has its weights in pytorch_model.bin")]
    [InlineData("model-00001-of-00002.safetensors", "has shards of weights, but no model.safetensors.index.json")]
    [InlineData("model.fp16.safetensors",
        "has no model.safetensors, but 'model.fp16.safetensors'; if that is the whole model, give it this name")]
    [InlineData("adapter_config.json", "holds an adapter, not a model")]
    [InlineData("ggml-model-q4_0.gguf", "holds GGUF, weights for llama.cpp")]
    [InlineData("step1000.ckpt", "weights that torch saved; load them into their model")]
    [InlineData("tf_model.h5", "holds weights of Flax or TensorFlow")]
    [InlineData("training_args.bin", "has no model.safetensors; download it")]
    public void A_folder_without_weights_says_what_it_has(string file, string reason)
    {
        Write("config.json", Gpt2);
        Write(file, "{}");
        Assert.Contains(reason, Refused(() => WeightFiles.Open(_directory.Path)));
    }

    [Theory]
    [InlineData("""{"architectures":["GPT2LMHeadModel"]}""",
        "has no key 'model_type'; add \"model_type\": \"gpt2\", since its architectures are 'GPT2LMHeadModel'.")]
    [InlineData("""{"architectures":["GPTNeoXForCausalLM"]}""", "add \"model_type\": \"gpt_neox\"")]
    [InlineData("""{"model_type":null,"architectures":[null,"LlamaForCausalLM"]}""", "add \"model_type\": \"llama\"")]
    [InlineData("""{"architectures":["Qwen2MoeForCausalLM"]}""",
        "add it: 'gemma2', 'gemma3_text', 'gpt2', 'gpt_neo', 'gpt_neox', 'llama', 'mistral', 'olmo2', 'opt', 'phi', 'qwen2', 'qwen3' "
        + "are known, and its architectures are 'Qwen2MoeForCausalLM'.")]
    [InlineData("{}", "has no key 'model_type'; add it: 'gemma2', 'gemma3_text', 'gpt2', ")]
    [InlineData("""{"model_type":"mamba"}""", "model_type is 'mamba', which is not supported; only 'gemma2', "
        + "'gemma3_text', 'gpt2', 'gpt_neo', "
        + "'gpt_neox', 'llama', 'mistral', 'olmo2', 'opt', 'phi', 'qwen2', 'qwen3' are built in; "
        + "export-scripts/export_torch.py makes an ONNX graph of any causal language model, "
        + "which is exported in its place.")]
    public void A_config_of_no_model_that_is_built_in_says_what_to_do(string config, string reason)
    {
        Write("config.json", config);
        var message = Refused(() => Architectures.Read(_directory.Path));
        Assert.StartsWith(_directory["config.json"], message);
        Assert.Contains(reason, message);
    }

    private static string Refused(Func<object> act)
    {
        var message = Assert.Throws<CheckpointException>(act).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_directory[file])!);
        File.WriteAllText(_directory[file], text);
    }
}
