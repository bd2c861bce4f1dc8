using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>A run of every kind that can be drawn, of the goldens' small models, made when it is first asked for.</summary>
public sealed class RunKinds : IDisposable
{
    private static readonly Dictionary<string, (string Model, string Options)> s_kinds = new()
    {
        ["ordinary"] = ("random2", "--prompt abc"),
        ["patched"] = ("random2", "--prompt abc --patch-prompt abd --metric logit-diff --target d --foil e"),
        ["kl-by-ig"] = ("random2", "--prompt abc --patch-prompt abd --metric kl --method ig"),
        ["one-token"] = ("random2", "--prompt a --prepend-bos false"),
        ["summed"] = ("random2", "--prompt abc --aggregate sum"),
        ["merged"] = ("random2", "--prompts PROMPTS --directories"),
        ["dataset"] = ("random2", "--prompts PROMPTS"),
        ["attn-alone"] = ("random2", "--prompt abc --sites attn"),
        ["mlp-and-last"] = ("random2", "--prompt abc --sites mlp,blocks.1.hook_resid_post"),
        ["first-site-alone"] = ("random2", "--prompt abc --sites blocks.0.hook_resid_pre"),
        ["exact-edges"] = ("random2", "--prompt abc --sites resid --edges exact"),
        ["by-heads"] = ("random2", "--prompt abc --heads"),
        ["nothing-kept"] = ("random2", "--prompt abc --node-threshold 1000"),
        ["head-outputs"] = ("sites", "--prompt abc --sites z,resid_mid"),
        ["errors-alone"] = ("bare", "--prompt abc"),
        ["errors-beside"] = ("half", "--prompt abc --sites resid,attn"),
        ["ablated"] = ("random2", "ablate --prompt abc"),
        ["transcoders"] = ("plt", "--prompt abcd --estimator frozen"),
        ["outputs"] = ("plt", "--prompt abcd --targets top:3 --estimator frozen"),
        ["outputs-pruned"] = ("plt", "--prompt abcd --targets top:3 --prune influence"),
        ["skips"] = ("topk", "--prompt abcd --targets top:2"),
        ["cross-layer"] = ("clt", "--prompt abcd --targets top:3"),
        ["transcoders-and-resid"] = ("mixed", "--prompt abcd --replace mlp --sites resid"),
    };

    private readonly TemporaryDirectory _directory = new();
    private readonly Lock _making = new();

    public static TheoryData<string> Names => [.. s_kinds.Keys];

    /// <summary>Of every kind the run directory.</summary>
    internal string this[string kind]
    {
        get
        {
            lock (_making)
            {
                var run = _directory[$"runs/{kind}"];
                if (!Directory.Exists(run)) Make(kind, run);
                return kind.StartsWith("merged", StringComparison.Ordinal) ? Path.Combine(run, "merged")
                    : kind.StartsWith("dataset", StringComparison.Ordinal) ? Path.Combine(run, "mean") : run;
            }
        }
    }

    internal string Model(string name)
    {
        var bundle = _directory[name];
        if (Directory.Exists(bundle)) return bundle;
        var models = Path.Combine(GoldenCase.Root, "models");
        string Of(string set) => Path.Combine(models, "random3", "transcoders", set);
        var resid = Path.Combine(models, "random2", "dictionaries", "blocks.1.hook_resid_pre");
        (string Model, string[] Dictionaries) made = name switch
        {
            "sites" => ("random2-sites", []),
            "bare" => ("random2", [Directory.CreateDirectory(_directory["none"]).FullName]),
            "half" => ("random2", [resid]),
            "plt" => ("random3", [Of("transcoders-plt")]),
            "topk" => ("random3", [Of("transcoders-skip-topk")]),
            "clt" => ("random3", [Of("transcoders-clt")]),
            "mixed" => ("random3", [Of("transcoders-plt"), resid]),
            _ => (name, []),
        };
        // of random2-sites a note says what its dictionaries leave unsaid
        var export = Verb.Run(["export", "--checkpoint", Path.Combine(models, made.Model), "--out", bundle, "--no-check",
            .. made.Dictionaries.SelectMany(d => (string[])["--dictionaries", d])]);
        Assert.True(export.Code == 0, export.Error);
        return bundle;
    }

    public void Dispose() => _directory.Dispose();

    private void Make(string kind, string run)
    {
        var (model, options) = s_kinds[kind];
        File.WriteAllText(_directory["prompts.jsonl"], """
            {"id": "a", "prompt": "abc"}
            {"id": "b", "prompt": "cba"}
            """);
        var words = options.Replace("PROMPTS", _directory["prompts.jsonl"]).Split(' ').ToList();
        var verb = words[0] == "ablate" ? "ablate" : "graph";
        words.Remove("ablate");
        Verb.Run([verb, "--model", Model(model), .. words, "--out", run, "--no-page"]).Done();
    }
}
