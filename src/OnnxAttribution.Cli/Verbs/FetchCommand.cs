using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Hub;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>fetch</c>: a model and dictionaries come from the Hugging Face hub into a folder that
/// <c>export</c> takes.</summary>
internal sealed class FetchCommand
{
    private const string Description = """
        Fetch a model of the Hugging Face hub, and published dictionaries for it, into a folder that export takes: only the files that are
        needed, of one commit, checked against the hub's checksums. What was interrupted goes on where it stopped. HF_TOKEN, HF_ENDPOINT,
        HTTPS_PROXY and NO_PROXY are heeded.

        Example: onnx-attribution fetch gpt2 --dictionaries gpt2-small-res-jb --layers 0-5 --out gpt2
        """;

    private const int MostLayers = 999;

    private readonly Argument<string> _model = new("MODEL")
    {
        Description = "OWNER/NAME on the hub, with @REVISION behind where one is wanted, or a short name: gpt2, pythia-70m-deduped, "
            + "gemma-2-2b, qwen3-0.6b"
    };
    private readonly Option<string[]> _dictionaries = new("--dictionaries")
    {
        Description = "a release such as gpt2-small-res-jb, or hf:OWNER/NAME, with @REVISION behind where one is wanted; "
            + "may be given several times",
        HelpName = "RELEASE"
    };
    private readonly Option<string?> _layers = new("--layers")
    {
        Description = "only dictionaries of these blocks, as 0-3,7",
        HelpName = "LIST"
    };
    private readonly Option<string?> _sites = new("--sites")
    {
        Description = "only dictionaries of these kinds of sites: resid, attn, mlp, resid_mid, z, transcoder, or as the hook is named",
        HelpName = "KINDS"
    };
    private readonly Option<string> _out = new("--out")
    {
        Description = "the folder to fill; dictionaries go to dictionaries/RELEASE in it",
        HelpName = "DIR",
        Required = true
    };
    private readonly Option<bool> _list = new("--list") { Description = "fetch nothing; say what would be, and how large it is" };
    private readonly Option<bool> _verify = new("--verify")
    {
        Description = "compare files that are there with the hub's checksums too, not their sizes alone"
    };
    private readonly Option<bool> _json = OutputOptions.Json();

    private FetchCommand()
    {
        _sites.Completes("resid", "attn", "mlp", "resid_mid", "resid_pre", "resid_post", "z", "transcoder");
        _layers.NotEmpty("numbers of blocks, as 0-3,7");
        _sites.NotEmpty("kinds of sites");
    }

    public static Command Create() => new FetchCommand().Made();

    private Command Made()
    {
        var command = new Command("fetch", Description) { _model, _dictionaries, _layers, _sites, _out, _list, _verify, _json };
        command.Checks(Validate);
        command.Runs(Run);
        return command;
    }

    private void Validate(CommandResult result)
    {
        if (result.GetValue(_dictionaries) is not { Length: > 0 }
            && ((Option[])[_layers, _sites]).FirstOrDefault(result.IsGiven) is { } choice)
        {
            result.AddError($"{choice.Name} chooses among dictionaries; give --dictionaries too");
        }
        if (result.GetValue(_list) && result.GetValue(_verify))
        {
            result.AddError("--list only looks at sizes, so --verify contradicts it; give one of them");
        }
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var invocation = parsed.InvocationConfiguration;
        var request = Request(parsed);
        using var client = new HubClient(HubOptions.FromEnvironment(Environment.GetEnvironmentVariable));
        if (client.Options is { Token: not null, Endpoint: { Scheme: "http" } endpoint })
        {
            invocation.Error.WriteLine($"note: HF_TOKEN is not sent: HF_ENDPOINT is {endpoint.GetLeftPart(UriPartial.Authority)}, and "
                + "whoever is on the way could read it; give an address that begins with https://");
        }
        var result = Fetched(request, client, parsed.GetValue(_json), invocation, cancel);
        foreach (var note in result.Notes) invocation.Error.WriteLine($"note: {FailureLine.OneLine(note)}");
        if (parsed.GetValue(_json)) Screen.WriteJson(invocation.Output, FetchReport.ToJson(request, result));
        else if (request.Mode == FetchMode.List) FetchReport.PrintList(invocation.Output, request, result);
        else FetchReport.Print(invocation.Output, request, result);
        return ExitCodes.Done;
    }

    private FetchRequest Request(ParseResult parsed) => new(parsed.GetRequiredValue(_model), parsed.GetRequiredValue(_out))
    {
        Dictionaries = parsed.GetValue(_dictionaries) ?? [],
        Layers = parsed.GetValue(_layers) is { } layers ? Layers(layers) : null,
        Sites = parsed.Items(_sites) ?? [],
        Mode = parsed.GetValue(_list) ? FetchMode.List : parsed.GetValue(_verify) ? FetchMode.Verify : FetchMode.Missing,
    };

    private static FetchResult Fetched(FetchRequest request, HubClient client, bool json, InvocationConfiguration invocation,
        CancellationToken cancel)
    {
        using var progress = new ProgressLine(invocation.Error);
        var bar = new FetchProgressBar(progress);
        var watch = new FetchWatch(bar.Report, file =>
        {
            progress.Dispose();
            if (!json) invocation.Output.WriteLine(FetchReport.Line(file));
        }, words => progress.Report(words));
        try
        {
            return Fetch.RunAsync(request, client, watch, cancel).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw new CancelledException("onnx-attribution: cancelled; what came stays, and the same command goes on where it stopped");
        }
    }

    /// <exception cref="UsageException">It is no list of layers.</exception>
    private static HashSet<int> Layers(string list)
    {
        var layers = new HashSet<int>();
        foreach (var item in ListOptions.Items(list))
        {
            var ends = item.Split('-');
            if (ends.Length > 2
                || !ends.All(e => int.TryParse(e, NumberStyles.None, CultureInfo.InvariantCulture, out var n) && n <= MostLayers))
            {
                throw new UsageException($"--layers '{item}' is neither a block's number nor a range of them, as 3 or 0-3");
            }
            var (first, last) = (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));
            if (first > last) throw new UsageException($"--layers '{item}' ends before it begins; write {last}-{first}");
            layers.UnionWith(Enumerable.Range(first, last - first + 1));
        }
        return layers;
    }
}
