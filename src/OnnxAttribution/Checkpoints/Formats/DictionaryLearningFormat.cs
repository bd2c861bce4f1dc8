using System.Text.Json.Nodes;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>dictionary_learning's <c>ae.pt</c> with <c>config.json</c>:
/// AutoEncoder, AutoEncoderNew, Gated, JumpReLU, TopK, BatchTopK and Matryoshka.</summary>
/// <remarks>
/// Source: saprmarks/dictionary_learning, dictionary.py and trainers/*.py (a711efe and after). AutoEncoder: its loader makes decoder rows
/// of length 1 and multiplies encoder and bias by their lengths, unless all are 1 already. BatchTopK and Matryoshka encode by one threshold
/// for all features. JumpReLU and AutoEncoderNew do not subtract the decoder's bias.
/// </remarks>
internal static class DictionaryLearningFormat
{
    public const string Name = "dictionary_learning", FileName = "ae.pt", ConfigFileName = "config.json";

    /// <param name="file">Becomes the conversion's.</param>
    public static DictionaryConversion Open(StateDictionary state, IDisposable file)
    {
        var folder = Path.GetDirectoryName(state.Path)!;
        var json = File.Exists(Path.Combine(folder, ConfigFileName)) ? ConfigJson.Read(Path.Combine(folder, ConfigFileName)) : null;
        var trainer = json?.Object("trainer") ?? json;
        // as it was spelled in January 2025
        var kind = trainer?.String("dict_class")?.Split('.')[^1].Replace("Matroyshka", "Matryoshka", StringComparison.Ordinal)
            ?? KindOf(state);
        var (site, model) = (Read(SiteOf(state, trainer), json?.Object("buffer")), trainer?.String("lm_name"));
        var (architecture, subtracts, linear) = kind switch
        {
            "AutoEncoder" => (DictionaryArchitecture.Standard, true, true),
            "AutoEncoderNew" => (DictionaryArchitecture.Standard, false, true),
            "GatedAutoEncoder" => (DictionaryArchitecture.Gated, true, true),
            "AutoEncoderTopK" => (DictionaryArchitecture.TopK, true, true),
            "BatchTopKSAE" => (DictionaryArchitecture.JumpRelu, true, true),
            "JumpReluAutoEncoder" => (DictionaryArchitecture.JumpRelu, false, false),
            "MatryoshkaBatchTopKSAE" => (DictionaryArchitecture.JumpRelu, true, false),
            _ =>
                throw trainer!.Refuse("dict_class", "only AutoEncoder, AutoEncoderNew, GatedAutoEncoder, JumpReluAutoEncoder, "
                    + "AutoEncoderTopK, BatchTopKSAE and MatryoshkaBatchTopKSAE are"),
        };
        var (n, d) = linear ? state.Matrix("encoder.weight") : (state.Matrix("W_enc").Columns, state.Matrix("W_enc").Rows);
        RequireSize(trainer, "activation_dim", d);
        RequireSize(trainer, "dict_size", n);
        var encoder = linear ? state["encoder.weight"].Require(n, d).Transposed : state["W_enc"].Require(d, n);
        var decoder = linear ? state["decoder.weight"].Require(d, n).Transposed : state["W_dec"].Require(n, d);
        var config = new ConvertedConfig(architecture, d, n, site)
        {
            Model = model?.Split('/')[^1],
            PrependBos = AddsBos(model),
            SubtractsBias = subtracts,
        }.ToJson();
        var tensors = kind == "AutoEncoder" ? Normalized(state, encoder, decoder, d, n)
            : [ConvertedTensor.Matrix("W_enc", encoder), ConvertedTensor.Matrix("W_dec", decoder),
                .. Vectors(state, kind, config, trainer)];
        state.RequireAllRead(kind);
        return new DictionaryConversion(state.Path, Name, file, config, tensors);
    }

    private static IEnumerable<ConvertedTensor> Vectors(StateDictionary state, string kind, JsonObject config, ConfigJson? trainer)
    {
        var (d, n) = ((long)config["d_in"]!, (long)config["d_sae"]!);
        ConvertedTensor Take(string name, string from, long length) => ConvertedTensor.Vector(name, state.Vector(from, length));
        switch (kind)
        {
            case "GatedAutoEncoder":
                return [Take("b_gate", "gate_bias", n), Take("b_mag", "mag_bias", n), Take("r_mag", "r_mag", n),
                    Take("b_dec", "decoder_bias", d)];
            case "AutoEncoderNew": return [Take("b_enc", "encoder.bias", n), Take("b_dec", "decoder.bias", d)];
            case "JumpReluAutoEncoder": return [Take("b_enc", "b_enc", n), Take("b_dec", "b_dec", d), Take("threshold", "threshold", n)];
        }
        var k = KOf(state, trainer);
        var threshold = state.Value("threshold") is StridedTensor t ? (float)t.ReadScalar() : (float?)null;
        state.Value("group_sizes");   // how it was trained: all groups are active
        ConvertedTensor[] common = [Take("b_enc", kind == "MatryoshkaBatchTopKSAE" ? "b_enc" : "encoder.bias", n),
            Take("b_dec", "b_dec", d)];
        if (kind == "AutoEncoderTopK")
        {
            config["k"] = (long)k;
            return common;
        }
        return [.. common, ConvertedTensor.Vector("threshold", [.. Enumerable.Repeat(Learnt(state, kind, k, threshold), (int)n)])];
    }

    // k and threshold are buffers
    private static double KOf(StateDictionary state, ConfigJson? trainer)
    {
        var k = state.Has("k") ? state["k"].ReadScalar() : trainer?.Integer("k", 1, 1 << 24) ?? throw new CheckpointException(state.Path,
            "has no number 'k', and its config.json has none either; check that it is a whole state_dict.");
        if (trainer?.Integer("k", 1, 1 << 24) is { } said && said != k)
        {
            throw new CheckpointException(state.Path, $"has k {k} where its config.json says {said}; check that they belong together.");
        }
        return k;
    }

    // it begins as −1, and an average of activations that are above 0 replaces it
    private static float Learnt(StateDictionary state, string kind, double k, float? threshold)
    {
        if (threshold is null)
        {
            throw new CheckpointException(state.Path,
                $"has no tensor 'threshold', by which a {kind} encodes; train it with a current dictionary_learning.");
        }
        if (threshold >= 0) return threshold.Value;
        throw new CheckpointException(state.Path, $"has threshold {threshold}, so that it was never learnt (its training ended before "
            + $"threshold_start_step), and a {kind} encodes by it; take a later checkpoint"
            + (kind != "BatchTopKSAE" ? "." : ", or write \"dict_class\": \"AutoEncoderTopK\" in its config.json "
                + $"to read it as TopK of its k, {k}, which chooses per token instead of per batch."));
    }

    private static ConvertedTensor[] Normalized(StateDictionary state, StridedTensor encoder, StridedTensor decoder, long d, long n)
    {
        var squares = new double[n];
        var row = new float[n];
        for (var i = 0L; i < d; i++)
        {
            decoder.Transposed.CopyRows(i, 1, row);
            for (var j = 0; j < row.Length; j++) squares[j] += (double)row[j] * row[j];
        }
        var lengths = Array.ConvertAll(squares, s => (float)Math.Sqrt(s));
        var (bias, decoderBias) = (state.Vector("encoder.bias", n), state.Vector("bias", d));
        // torch.allclose; a row of zeros would become NaN there, and is left alone here
        if (Array.TrueForAll(lengths, l => Math.Abs(l - 1) <= 1e-8 + 1e-5))
        {
            return [ConvertedTensor.Matrix("W_enc", encoder), ConvertedTensor.Matrix("W_dec", decoder),
                ConvertedTensor.Vector("b_enc", bias), ConvertedTensor.Vector("b_dec", decoderBias)];
        }
        for (var j = 0; j < lengths.Length; j++) lengths[j] = lengths[j] == 0 ? 1 : lengths[j];
        return
        [
            ConvertedTensor.Matrix("W_enc", encoder, columnFactors: lengths),
            ConvertedTensor.Matrix("W_dec", decoder, rowFactors: Array.ConvertAll(lengths, l => 1 / l)),
            ConvertedTensor.Vector("b_enc", [.. bias.Select((b, j) => b * lengths[j])]), ConvertedTensor.Vector("b_dec", decoderBias),
        ];
    }

    // the tensors' names tell all kinds apart but TopK and BatchTopK
    private static string KindOf(StateDictionary state) =>
        state.Has("gate_bias") ? "GatedAutoEncoder"
            : state.Has("group_sizes") ? "MatryoshkaBatchTopKSAE"
            : state.Has("W_enc") ? "JumpReluAutoEncoder"
        : state.Has("bias") ? "AutoEncoder" : state.Has("decoder.bias") ? "AutoEncoderNew"
        : throw new CheckpointException(state.Path, "has no config.json beside it, without which TopK and BatchTopK cannot be told apart; "
            + "put the config.json there that was published with it.");

    private static string SiteOf(StateDictionary state, ConfigJson? trainer)
    {
        var name = trainer?.String("submodule_name");
        if (name is not null && ModuleSites.Of(name) is { } said) return said;
        if (ModuleSites.OfPaths(state.Folders) is { } site) return site;
        throw new CheckpointException(state.Path, "neither its config.json nor its path says which site it is of; "
            + "name its folder as it is published, such as resid_out_layer3 (or blocks.3.hook_resid_post).");
    }

    // what its buffer gave it: the output of the module, unless the config says otherwise
    private static string Read(string output, ConfigJson? buffer) => (buffer?.String("io") ?? "out") switch
    {
        "out" => output,
        "in" => ModuleSites.InputOf(output) ?? throw buffer!.Refuse("io",
            $"of a module that writes {output} the input is no site; only a block's input is, hook_resid_pre"),
        "in_and_out" => throw buffer!.Refuse("io", "it is a transcoder's; only dictionaries that rebuild their input are"),
        _ => throw buffer!.Refuse("io", "only 'out' and 'in' are"),
    };

    private static void RequireSize(ConfigJson? trainer, string key, long size)
    {
        if (trainer?.Integer(key, 1, 1 << 24) is { } said && said != size)
        {
            throw trainer.Refuse(key, $"the weights have {size}; check that config and weights belong together");
        }
    }

    // its buffer takes tokens as the model's own tokenizer gives them
    private static bool AddsBos(string? model) =>
        model is not null && new[] { "llama", "gemma", "mistral" }.Any(m => model.Contains(m, StringComparison.OrdinalIgnoreCase));
}
