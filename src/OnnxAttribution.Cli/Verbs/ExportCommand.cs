using System.CommandLine.Parsing;
using System.CommandLine;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Preflight;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>export</c>: a checkpoint, or a graph that another program exported, and its dictionaries become a bundle.</summary>
internal static class ExportCommand
{
    private const string Description = """
        Make a model bundle of a Hugging Face checkpoint (GPT-2, GPT-NeoX, Llama, Mistral, Qwen2), or of an ONNX file that names its sites'
        tensors, and dictionaries: model.onnx and bundle.json. Weights stay in their files; dictionaries of other formats than SAELens's are
        converted into it.

        Example: onnx-attribution export --checkpoint gpt2 --dictionaries gpt2-small-res-jb --out models/gpt2 --fold-layernorm \
            --center-writing-weights --center-unembed
        """;

    private static readonly string[] s_tokenizerFiles = ["tokenizer.json", "vocab.json", "merges.txt"];

    public static Command Create(CommonOptions common)
    {
        var checkpoint = new Option<string?>("--checkpoint")
        {
            Description = "directory with config.json and model.safetensors",
            HelpName = "DIR"
        };
        var onnx = new Option<string?>("--onnx")
        {
            Description = "instead of a checkpoint: a graph that another program exported, such as torch.onnx",
            HelpName = "FILE"
        };
        var sites = new Option<string?>("--sites")
        {
            Description = "with --onnx: which tensors of the graph are the sites; default: sites.json beside it",
            HelpName = "FILE"
        };
        var tokenizer = new Option<string?>("--tokenizer")
        {
            Description = "with --onnx: directory with the tokenizer's files; default: the graph's directory",
            HelpName = "DIR"
        };
        var dictionaries = new Option<string[]>("--dictionaries")
        {
            Description = "directory that holds dictionaries, at any depth, of SAELens, dictionary_learning, OpenAI, Gemma Scope, Llama "
                + "Scope, Qwen-Scope, sparsify, Goodfire or Kissane et al.; may be given several times; default: "
                + "dictionaries in the checkpoint, if there",
            HelpName = "DIR"
        };
        var bundle = new Option<string>("--out")
        {
            Description = "the bundle to write; may be the checkpoint's own directory",
            HelpName = "DIR"
        };
        var fold = new Option<bool>("--fold-layernorm")
        {
            Description = "fold LayerNorm's weights into those that read from it, as TransformerLens does"
        };
        var writing = new Option<bool>("--center-writing-weights") { Description = "centre all weights that write to the residual stream" };
        var unembed = new Option<bool>("--center-unembed") { Description = "centre the unembedding over the vocabulary" };
        var values = new Option<bool>("--fold-value-biases")
        {
            Description = "move the values' biases behind attention, so that attn.hook_z lacks them, "
                + "as TransformerLens does (which folds LayerNorm first)"
        };
        var further = new Option<string?>("--further-sites")
        {
            Description = "hooks that become sites at every block even without a dictionary: resid_mid, z or both with a comma between",
            HelpName = "KINDS"
        };
        var notAsTrained = new Option<bool>("--not-as-trained")
        {
            Description = "do not centre or fold weights because dictionaries say that they were trained so"
        };
        var force = OutputOptions.Force("a bundle that is");
        var noCheck = new Option<bool>("--no-check")
        {
            Description = "do not look whether the dictionaries fit the model, which takes a few seconds; 'sae check' does so at leisure"
        };
        var verify = new Option<string?>("--verify")
        {
            Description = "export nothing, but read a bundle through and compare every file's SHA-256 with bundle.json; "
                + "on opening a bundle, only sizes and samples of its files are",
            HelpName = "DIR"
        };
        var json = OutputOptions.Json();
        var command = new Command("export", Description) { checkpoint, onnx, sites, tokenizer, dictionaries, bundle, fold, writing, unembed,
            values, notAsTrained, further, force, noCheck, verify, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(verify) is not null)
            {
                if (result.Children.OfType<OptionResult>().FirstOrDefault(o => o.Tokens.Count + (o.Implicit ? 0 : 1) > 0
                    && o.Option != verify && o.Option != json && command.Options.Contains(o.Option)) is { Implicit: false } other)
                {
                    result.AddError($"--verify exports nothing, so {other.Option.Name} has no meaning with it; leave one of them out");
                }
                return;
            }
            if (result.GetValue(bundle) is null) result.AddError("Option '--out' is required.");
            var adopts = result.GetValue(onnx) is not null;
            if (adopts == result.GetValue(checkpoint) is not null)
            {
                result.AddError("give either --checkpoint DIR or --onnx FILE");
            }
            else if (!adopts && (result.GetValue(sites) ?? result.GetValue(tokenizer)) is not null)
            {
                result.AddError("--sites and --tokenizer go with --onnx; a checkpoint has its sites and its tokenizer");
            }
            else if (adopts && (result.GetValue(fold) || result.GetValue(writing) || result.GetValue(unembed) || result.GetValue(values)))
            {
                result.AddError("--fold-layernorm, --center-writing-weights, --center-unembed and --fold-value-biases go with "
                    + "--checkpoint: in a graph nothing says which weights these are; process them before you export it");
            }
            else if (adopts && result.GetValue(further) is not null)
            {
                result.AddError("--further-sites goes with --checkpoint; with --onnx, sites.json names every site");
            }
        });
        command.Runs((parsed, cancel) =>
        {
            if (parsed.GetValue(verify) is { } verified)
            {
                return Verify(verified, parsed.GetValue(json), parsed.InvocationConfiguration, cancel);
            }
            var (target, threads) = (parsed.GetRequiredValue(bundle), common.UsableThreads(parsed) ?? 0);
            var invocation = parsed.InvocationConfiguration;
            BundleManifest manifest;
            (string? Lack, int Tokens) tokens;
            var notes = new List<string>();
            using (var progress = new ProgressLine(invocation.Error))
            {
                progress.Report("checking and exporting");
                tokens = parsed.GetValue(onnx) is { } file
                    ? TokenizerIn(parsed.GetValue(tokenizer) ?? FolderOf(file), isNamed: parsed.GetValue(tokenizer) is not null)
                    : TokenizerIn(CheckpointOf(parsed.GetValue(checkpoint)!), isNamed: false);
                manifest = parsed.GetValue(onnx) is { } graph
                    ? Adopted(new AdoptionOptions(graph, parsed.GetValue(sites), parsed.GetValue(dictionaries), target,
                        parsed.GetValue(tokenizer), parsed.GetValue(force), threads)
                    {
                        AsTrained = !parsed.GetValue(notAsTrained)
                    },
                        notes.Add, cancel)
                    : BundleWriter.Write(new ExportOptions(parsed.GetValue(checkpoint)!, parsed.GetValue(dictionaries), target,
                        parsed.GetValue(fold), parsed.GetValue(writing), parsed.GetValue(unembed), parsed.GetValue(force), threads)
                    {
                        FoldValueBiases = parsed.GetValue(values),
                        FurtherSites = Further(parsed.GetValue(further)),
                        AsTrained = !parsed.GetValue(notAsTrained)
                    }, cancel, notes.Add);
            }
            if (parsed.GetValue(json)) Screen.WriteJson(invocation.Output, ExportReport.ToJson(target, manifest));
            else ExportReport.Print(invocation.Output, target, manifest);
            foreach (var note in notes) invocation.Error.WriteLine($"note: {FailureLine.OneLine(note)}");
            if (tokens.Tokens > manifest.DVocab)
            {
                invocation.Error.WriteLine($"warning: the tokenizer has {tokens.Tokens:N0} tokens and the model {manifest.DVocab:N0}; "
                    + "check that it is the model's");
            }
            if (tokens.Lack is not null)
            {
                invocation.Error.WriteLine("warning: the bundle takes no prompts: "
                    + $"{tokens.Lack}{(parsed.GetValue(onnx) is null ? "" : " Or give --tokenizer the directory that has them.")}");
            }
            else if (!parsed.GetValue(noCheck) && manifest.Dictionaries.Count > 0)
            {
                Warn(target, common.Context(parsed, cancel), invocation.Error);
            }
            return ExitCodes.Done;
        });
        return command;
    }

    private static int Verify(string directory, bool json, InvocationConfiguration invocation, CancellationToken cancel)
    {
        var manifest = BundleManifest.Read(directory);
        IReadOnlyList<string> differing;
        using (var progress = new ProgressLine(invocation.Error))
        {
            progress.Report("reading every file");
            differing = BundleFiles.Differing(directory, manifest, cancel);
        }
        if (differing.Count > 0)
        {
            throw new BundleException($"{differing.Count} of {manifest.Files.Count} files of {directory} are not what was exported: "
                + $"{string.Join(", ", differing)}; export the bundle again");
        }
        var bytes = manifest.Files.Values.Sum(f => f.Bytes);
        if (json)
        {
            Screen.WriteJson(invocation.Output,
                new JsonObject { ["bundle"] = directory, ["files"] = manifest.Files.Count, ["bytes"] = bytes });
        }
        else
        {
            invocation.Output.WriteLine($"{directory}: {manifest.Files.Count} files, {Screen.Bytes(bytes)}, are what was exported");
        }
        return ExitCodes.Done;
    }

    private static string FolderOf(string file) => Path.GetDirectoryName(Path.GetFullPath(file))!;

    // of a model that is not known, that is to be said, and not that its tokenizer is not
    private static string CheckpointOf(string directory)
    {
        Architectures.Read(directory);
        return directory;
    }

    /// <summary>Refuses a tokenizer that cannot be read before a bundle is made that no verb could give a prompt to.</summary>
    /// <param name="isNamed">The directory was given for its tokenizer, so that it has to have one.</param>
    /// <returns>Why the bundle will take no prompts, where there is no tokenizer at all, else null; how many tokens it has.</returns>
    private static (string? Lack, int Tokens) TokenizerIn(string folder, bool isNamed)
    {
        if (!Directory.Exists(folder)) return (null, 0);     // refused in a moment
        try
        {
            var tokenizer = Tokenizer.Open(folder);
            return (null, tokenizer.Count);
        }
        catch (TokenizerException e) when (!isNamed && !s_tokenizerFiles.Any(name => File.Exists(Path.Combine(folder, name))))
        {
            return (FailureLine.Of(e, "the check"), 0);
        }
    }

    private static BundleManifest Adopted(AdoptionOptions options, Action<string> say, CancellationToken cancel) =>
        ForeignBundleWriter.Write(options, cancel, say, (manifest, bundle) => AdoptionCheck.Require(options, manifest, bundle, cancel));

    private static SiteKind[] Further(string? kinds) =>
        kinds is null ? [] : [.. kinds.Split(',', StringSplitOptions.TrimEntries).Select(kind => kind switch
        {
            "resid_mid" => SiteKind.ResidMid,
            "z" => SiteKind.Z,
            _ =>
                throw new UsageException($"--further-sites '{kind}' is no hook that can become a site; "
                    + "give resid_mid, z or resid_mid,z (resid, attn and mlp are sites always)"),
        })];

    // the bundle is made, whatever comes out here
    private static void Warn(string bundle, RunContext context, TextWriter error)
    {
        try
        {
            CheckReport report;
            using (var progress = new ProgressLine(error))
            {
                progress.Report("checking the dictionaries");
                using var model = LoadedModel.Open(bundle, null, context);
                report = BundleCheck.Of(model, null, CheckOptions.Quick, progress);
            }
            foreach (var finding in report.Findings.Where(f => f.Fault != Fault.NotDiagnosed))
            {
                error.WriteLine($"warning: {finding.Sentence}");
            }
            var others = report.Findings.Where(f => f.Fault == Fault.NotDiagnosed).Select(f => f.Site).ToList();
            if (others.Count > 0)
            {
                error.WriteLine($"warning: {others.Count} more look{(others.Count == 1 ? "s" : "")} wrong: {string.Join(", ", others)}");
            }
            if (report.Findings.Count > 0)
            {
                error.WriteLine($"warning: the bundle is made, but look at it first: onnx-attribution sae check --model {bundle}");
            }
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException("onnx-attribution: cancelled; the bundle is made, its dictionaries were not checked");
        }
        catch (Exception e)     // whatever it is, it is no fault of the export
        {
            error.WriteLine($"warning: the dictionaries were not checked: {FailureLine.Of(e, "the check")}");
        }
    }
}
