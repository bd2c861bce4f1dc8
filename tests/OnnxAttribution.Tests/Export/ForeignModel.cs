using System.Text.Json.Nodes;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Tests.Export;

/// <summary>A graph by PyTorch's own exporter (tests/references/foreign_models.py), or a changed one, on its way into a bundle.</summary>
internal sealed class ForeignModel : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <param name="name">Such as gpt2-13: family and operator set.</param>
    public ForeignModel(string name)
    {
        (Name, Family) = (name, name.Split('-')[0]);
        Graph = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(Folder, $"{name}.onnx")));
        Sites = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, $"{Family}.sites.json")))!.AsObject();
    }

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Goldens", "onnx");

    /// <summary>Every fixture: with an operator set, by PyTorch's exporter (llama-23 by hand);
    /// with ort, in operators that ONNX Runtime's optimiser writes (tests/references/fused_models.py);
    /// with past, for generation, and merged, with a branch for each decoder (tests/references/cached_models.py).</summary>
    public static TheoryData<string> Names =>
        ["gpt2-13", "gpt2-17", "llama-17", "neox-16", "llama-23", "gpt2-ort", "llama-ort", "neox-ort", "groups-ort", "gpt2-past",
            "llama-past", "llama-mask-past", "llama-merged", "gpt2-ort-past", "neox-ort-past", "groups-ort-past"];

    /// <summary>And those of half precision, which compute in 16 bits themselves.</summary>
    public static TheoryData<string> NamesWithHalf => [.. Names.Select(n => n.Data), "fp16-llama", "bf16-neox"];

    public string Name { get; }
    public string Family { get; }
    public ModelProto Graph { get; }
    public JsonObject Sites { get; }

    /// <summary>The foreign files, and the bundle that is made of them.</summary>
    public string Source => _directory["source"];
    public string Bundle => _directory["bundle"];
    public string OnnxPath => Path.Combine(Source, "model.onnx");
    public string SitesPath => Path.Combine(Source, "sites.json");

    public JsonObject SiteNames => Sites["sites"]!.AsObject();

    /// <summary>The node that yields a tensor.</summary>
    public NodeProto Producer(string tensor) => Graph.Graph.Node.First(n => n.Output.Contains(tensor));

    /// <summary>A node of its own before the first one that reads <paramref name="before"/>.</summary>
    public NodeProto Insert(NodeProto before, string type, string[] inputs, string output)
    {
        var node = new NodeProto { OpType = type, Name = output };
        node.Input.Add(inputs);
        node.Output.Add(output);
        Graph.Graph.Node.Insert(Graph.Graph.Node.IndexOf(before), node);
        return node;
    }

    public void Write()
    {
        Directory.CreateDirectory(Source);
        File.WriteAllBytes(OnnxPath, Graph.ToByteArray());
        File.WriteAllText(SitesPath, Sites.ToJsonString());
        foreach (var file in (string[])["vocab.json", "merges.txt"])
        {
            File.Copy(Path.Combine(Random2.Checkpoint, file), Path.Combine(Source, file), overwrite: true);
        }
    }

    public BundleManifest Export(Func<AdoptionOptions, AdoptionOptions>? change = null)
    {
        Write();
        return ForeignBundleWriter.Write((change ?? (o => o))(new AdoptionOptions(OnnxPath, SitesPath, null, Bundle, Threads: 1)));
    }

    /// <summary>Exporting is refused in one line that has all of these words, and leaves no bundle.</summary>
    public void Refused(params string[] words)
    {
        BundleWriterTests.Refused<BundleException>(() => Export(), words);
        Assert.False(Directory.Exists(Bundle));
    }

    /// <summary>Logits [batch, position, vocabulary] of the foreign file itself, which is given a mask of ones, positions from 0,
    /// and a past of no tokens where it asks for them.</summary>
    public float[] OriginalLogits(long[] tokens, int batch)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using var session = new InferenceSession(OnnxPath, options);
        var length = tokens.Length / batch;
        var inputs = session.InputMetadata.ToDictionary(i => i.Key, i => Input(i.Key, i.Value));
        try
        {
            using var run = new RunOptions();
            using var results = session.Run(run, inputs, ["logits"]);
            return results[0].GetTensorDataAsSpan<float>().ToArray();
        }
        finally
        {
            foreach (var value in inputs.Values) value.Dispose();
        }

        OrtValue Input(string name, NodeMetadata metadata)
        {
            if (metadata.ElementDataType == TensorElementType.Bool) return OrtValue.CreateTensorValueFromMemory(new bool[1], [1]);
            if (metadata.ElementDataType == TensorElementType.Int64)
            {
                return OrtValue.CreateTensorValueFromMemory(name switch
                {
                    "attention_mask" => [.. tokens.Select(_ => 1L)],
                    "position_ids" => [.. tokens.Select((_, i) => (long)i % length)],
                    _ => tokens
                }, [batch, length]);
            }
            // [batch, heads, past, width], or [2, batch, heads, past, width]
            var shape = Array.ConvertAll(metadata.Dimensions, d => (long)d);
            (shape[^4], shape[^2]) = (batch, 0);
            return OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, metadata.ElementDataType, shape);
        }
    }

    public void Dispose() => _directory.Dispose();
}
