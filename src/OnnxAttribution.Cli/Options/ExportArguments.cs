using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options of <c>export</c> that say what is exported, and how.</summary>
internal sealed class ExportArguments
{
    private readonly Option<string?> _checkpoint =
        new("--checkpoint") { Description = "directory with config.json and model.safetensors", HelpName = "DIR" };
    private readonly Option<string?> _onnx = new("--onnx")
    {
        Description = "instead of a checkpoint: a graph that another program exported, such as torch.onnx",
        HelpName = "FILE"
    };
    private readonly Option<string?> _sites = new("--sites")
    {
        Description = "with --onnx: which tensors of the graph are the sites; default: sites.json beside it",
        HelpName = "FILE"
    };
    private readonly Option<string?> _tokenizer = new("--tokenizer")
    {
        Description = "with --onnx: directory with the tokenizer's files; default: the graph's directory",
        HelpName = "DIR"
    };
    private readonly Option<string[]> _dictionaries = new("--dictionaries")
    {
        Description = "directory that holds dictionaries, at any depth, of SAELens, dictionary_learning, OpenAI, Gemma Scope, Llama "
            + "Scope, Qwen-Scope, sparsify, Goodfire or Kissane et al.; may be given several times; default: "
            + "dictionaries in the checkpoint, if there",
        HelpName = "DIR"
    };
    private readonly Option<string> _out =
        new("--out") { Description = "the bundle to write; may be the checkpoint's own directory", HelpName = "DIR" };
    private readonly Option<bool> _fold = new("--fold-layernorm")
    {
        Description = "fold LayerNorm's weights into those that read from it, as TransformerLens does"
    };
    private readonly Option<bool> _writing =
        new("--center-writing-weights") { Description = "centre all weights that write to the residual stream" };
    private readonly Option<bool> _unembed = new("--center-unembed") { Description = "centre the unembedding over the vocabulary" };
    private readonly Option<bool> _values = new("--fold-value-biases")
    {
        Description = "move the values' biases behind attention, so that attn.hook_z lacks them, "
            + "as TransformerLens does (which folds LayerNorm first)"
    };
    private readonly Option<bool> _notAsTrained = new("--not-as-trained")
    {
        Description = "do not centre or fold weights because dictionaries say that they were trained so"
    };
    private readonly Option<string?> _further = new("--further-sites")
    {
        Description = "hooks that become sites at every block even without a dictionary: resid_mid, z or both with a comma between",
        HelpName = "KINDS"
    };
    private readonly Option<bool> _screen = new("--screen")
    {
        Description = "write beside each dictionary what finds its active features without reading W_enc: graphs are quicker, and the "
            + "same; needs 1.25 times W_enc's bytes of disk"
    };
    private readonly Option<bool> _force = OutputOptions.Force("a bundle that is");

    public ExportArguments() => _further.Completes("resid_mid", "z");

    public IReadOnlyList<Option> All => [_checkpoint, _onnx, _sites, _tokenizer, _dictionaries, _out, _fold, _writing, _unembed, _values,
        _notAsTrained, _further, _screen, _force];

    /// <summary>Whether another program's graph is exported, and no checkpoint.</summary>
    public bool Adopts(ParseResult parsed) => parsed.GetValue(_onnx) is not null;

    /// <summary>The directory to write.</summary>
    public string Bundle(ParseResult parsed) => parsed.GetRequiredValue(_out);

    public string Checkpoint(ParseResult parsed) => parsed.GetValue(_checkpoint)!;

    public AdoptionOptions Adoption(ParseResult parsed, int threads) =>
        new(parsed.GetValue(_onnx)!, parsed.GetValue(_sites), parsed.GetValue(_dictionaries), Bundle(parsed),
            parsed.GetValue(_tokenizer), parsed.GetValue(_force), threads)
        {
            AsTrained = !parsed.GetValue(_notAsTrained),
            Screens = parsed.GetValue(_screen),
        };

    /// <exception cref="UsageException">--further-sites names what can become no site.</exception>
    public ExportOptions Export(ParseResult parsed, int threads) =>
        new(Checkpoint(parsed), parsed.GetValue(_dictionaries), Bundle(parsed), parsed.GetValue(_fold), parsed.GetValue(_writing),
            parsed.GetValue(_unembed), parsed.GetValue(_force), threads)
        {
            FoldValueBiases = parsed.GetValue(_values),
            FurtherSites = Further(parsed.GetValue(_further)),
            AsTrained = !parsed.GetValue(_notAsTrained),
            Screens = parsed.GetValue(_screen),
        };

    /// <summary>What is wrong with the options together, added as errors.</summary>
    public void Validate(CommandResult result)
    {
        if (result.GetValue(_out) is null) result.AddError("Option '--out' is required.");
        var adopts = result.GetValue(_onnx) is not null;
        if (adopts == result.GetValue(_checkpoint) is not null)
        {
            result.AddError("give either --checkpoint DIR or --onnx FILE");
        }
        else if (!adopts && (result.GetValue(_sites) ?? result.GetValue(_tokenizer)) is not null)
        {
            result.AddError("--sites and --tokenizer go with --onnx; a checkpoint has its sites and its tokenizer");
        }
        else if (adopts && ((Option<bool>[])[_fold, _writing, _unembed, _values]).Any(result.GetValue))
        {
            result.AddError("--fold-layernorm, --center-writing-weights, --center-unembed and --fold-value-biases go with "
                + "--checkpoint: in a graph nothing says which weights these are; process them before you export it");
        }
        else if (adopts && result.GetValue(_further) is not null)
        {
            result.AddError("--further-sites goes with --checkpoint; with --onnx, sites.json names every site");
        }
    }

    private static SiteKind[] Further(string? kinds) =>
        kinds is null ? [] : [.. kinds.Split(',', StringSplitOptions.TrimEntries).Select(kind => kind switch
        {
            "resid_mid" => SiteKind.ResidMid,
            "z" => SiteKind.Z,
            _ =>
                throw new UsageException($"--further-sites '{kind}' is no hook that can become a site; "
                    + "give resid_mid, z or resid_mid,z (resid, attn and mlp are sites always)"),
        })];
}
