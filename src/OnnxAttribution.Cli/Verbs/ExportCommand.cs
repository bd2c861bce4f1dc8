using System.CommandLine;
using System.CommandLine.Parsing;
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
internal sealed class ExportCommand
{
    private const string Description = """
        Make a model bundle of a Hugging Face checkpoint (GPT-2, Pythia, Llama, Gemma, Qwen3 and others), or of an ONNX file that names
        its sites' tensors, and dictionaries: model.onnx and bundle.json. Weights stay in their files; dictionaries of other formats than
        SAELens's are converted into it.

        Example: onnx-attribution export --checkpoint gpt2 --dictionaries gpt2-small-res-jb --out models/gpt2 --fold-layernorm \
            --center-writing-weights --center-unembed
        """;

    private static readonly string[] s_tokenizerFiles = ["tokenizer.json", "vocab.json", "merges.txt"];

    private readonly CommonOptions _common;
    private readonly ExportArguments _arguments = new();
    private readonly Option<bool> _noCheck = new("--no-check")
    {
        Description = "do not look whether the dictionaries fit the model, which takes a few seconds; 'sae check' does so at leisure"
    };
    private readonly Option<string?> _verify = new("--verify")
    {
        Description = "export nothing, but read a bundle through and compare every file's SHA-256 with bundle.json; "
            + "on opening a bundle, only sizes and samples of its files are",
        HelpName = "DIR"
    };
    private readonly Option<bool> _json = OutputOptions.Json();

    private ExportCommand(CommonOptions common) => _common = common;

    public static Command Create(CommonOptions common) => new ExportCommand(common).Made();

    private Command Made()
    {
        var command = new Command("export", Description);
        foreach (var option in (Option[])[.. _arguments.All, _noCheck, _verify, _json]) command.Options.Add(option);
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (result.GetValue(_verify) is null)
        {
            _arguments.Validate(result);
            return;
        }
        if (result.Children.OfType<OptionResult>().FirstOrDefault(o => o.Tokens.Count + (o.Implicit ? 0 : 1) > 0
            && o.Option != _verify && o.Option != _json && result.Command.Options.Contains(o.Option)) is { Implicit: false } other)
        {
            result.AddError($"--verify exports nothing, so {other.Option.Name} has no meaning with it; leave one of them out");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var invocation = parsed.InvocationConfiguration;
        if (parsed.GetValue(_verify) is { } verified) return Verify(verified, parsed.GetValue(_json), invocation, cancel);
        var notes = new List<string>();
        var (manifest, tokens) = Exported(parsed, notes.Add, cancel);
        var bundle = _arguments.Bundle(parsed);
        if (parsed.GetValue(_json)) Screen.WriteJson(invocation.Output, ExportReport.ToJson(bundle, manifest));
        else ExportReport.Print(invocation.Output, bundle, manifest);
        foreach (var note in notes) invocation.Error.WriteLine($"note: {FailureLine.OneLine(note)}");
        if (tokens.Count > manifest.DVocab)
        {
            invocation.Error.WriteLine($"warning: the tokenizer has {tokens.Count:N0} tokens and the model {manifest.DVocab:N0}; "
                + "check that it is the model's");
        }
        if (tokens.Lack is not null)
        {
            invocation.Error.WriteLine("warning: the bundle takes no prompts: "
                + $"{tokens.Lack}{(_arguments.Adopts(parsed) ? " Or give --tokenizer the directory that has them." : "")}");
        }
        else if (!parsed.GetValue(_noCheck) && manifest.Dictionaries.Count > 0)
        {
            Warn(bundle, _common.Context(parsed, cancel), invocation.Error);
        }
        return ExitCodes.Done;
    }

    private (BundleManifest Manifest, (string? Lack, int Count) Tokens) Exported(ParseResult parsed, Action<string> say,
        CancellationToken cancel)
    {
        var threads = _common.UsableThreads(parsed) ?? 0;
        using var progress = new ProgressLine(parsed.InvocationConfiguration.Error);
        progress.Report("checking and exporting");
        if (_arguments.Adopts(parsed))
        {
            var adopted = _arguments.Adoption(parsed, threads);
            var tokens = TokenizerIn(adopted.Tokenizer ?? Path.GetDirectoryName(Path.GetFullPath(adopted.Onnx))!,
                isNamed: adopted.Tokenizer is not null);
            return (ForeignBundleWriter.Write(adopted, cancel, say,
                (manifest, bundle) => AdoptionCheck.Require(adopted, manifest, bundle, say, cancel)), tokens);
        }
        else
        {
            var tokens = TokenizerIn(CheckpointOf(_arguments.Checkpoint(parsed)), isNamed: false);
            return (BundleWriter.Write(_arguments.Export(parsed, threads), cancel, say), tokens);
        }
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

    // of a model that is not known, that is to be said, and not that its tokenizer is not
    private static string CheckpointOf(string directory)
    {
        Architectures.Read(directory);
        return directory;
    }

    /// <summary>Refuses a tokenizer that cannot be read before a bundle is made that no verb could give a prompt to.</summary>
    /// <param name="isNamed">The directory was given for its tokenizer, so that it has to have one.</param>
    /// <returns>Why the bundle will take no prompts, where there is no tokenizer at all, else null; how many tokens it has.</returns>
    private static (string? Lack, int Count) TokenizerIn(string folder, bool isNamed)
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
                // what is checked is how well dictionaries rebuild what they read
                if (model.Bundle.HasTranscodersOnly) return;
                report = BundleCheck.Run(model, null, CheckOptions.Quick, progress);
            }
            foreach (var finding in report.Findings.Where(f => f.Fault != Fault.NotDiagnosed))
            {
                error.WriteLine($"warning: {FailureLine.WithOption(finding.Sentence, finding.Setting)}");
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
