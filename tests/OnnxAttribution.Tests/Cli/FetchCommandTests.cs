using System.Diagnostics;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Hub;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Hub;

namespace OnnxAttribution.Tests.Cli;

/// <summary>fetch as it is called: a process with HF_ENDPOINT and HF_TOKEN in its environment.</summary>
public sealed class FetchCommandTests : IDisposable
{
    private readonly Fetching _fetching = new();

    private string Out => _fetching.Out;

    public void Dispose() => _fetching.Dispose();

    [Fact]
    public void What_was_fetched_is_exported_by_the_command_that_is_printed_and_graphed()
    {
        using var hub = Fetching.Hub();
        _fetching.AddResJb(hub, "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre");
        var output = Fetch(hub, "gpt2", "--dictionaries", "res-jb", "--sites", "resid", "--layers", "0-1").Done().Output;
        _fetching.AssertWhole(hub);
        var lines = output.TrimEnd().Split('\n');
        Assert.Equal(11, lines.Count(l => l.StartsWith("fetched ", StringComparison.Ordinal)));
        Assert.Contains(lines, l => l.StartsWith("fetched model.safetensors, ", StringComparison.Ordinal)
            && l.EndsWith(", SHA-256 right", StringComparison.Ordinal));
        Assert.Contains($"{Fetching.ResJb} at commit {HubServer.Commit}", lines);
        // as a shell reads the command that comes next
        var command = lines[^1].Split(' ');
        Assert.Equal(["next:", "onnx-attribution", "export", "--checkpoint", Out, "--dictionaries",
            $"{Out}/dictionaries/gpt2-small-res-jb", "--out", "models/gpt2-gpt2-small-res-jb"], command);
        var bundle = _fetching.Directory["bundle"];
        // random dictionaries fit no model, which export would say
        var export = Verb.Run([.. command[2..^1], bundle, "--no-check"]);
        Assert.True(export.Code == 0, export.Error);
        Assert.Contains("neuronpedia_id is missing; it is read as the table of releases has it for gpt2-small-res-jb",
            Assert.Single(export.Error.TrimEnd().Split('\n')));
        Assert.Equal(["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"], BundleManifest.Read(bundle).Dictionaries.Select(d => d.Site));
        var run = _fetching.Directory["run"];
        Assert.Contains("blocks.1.hook_resid_pre",
            Verb.Run("graph", "--model", bundle, "--prompt", "Hello", "--target", "x", "--out", run).Done().Output);
        // a token per byte, and BOS as the dictionaries' cfg wants it
        Assert.Equal(6, RunDirectory.Read(run).Facts["tokens"]!.AsArray().Count);
    }

    [Fact]
    public void A_list_says_what_would_come_and_json_says_what_came()
    {
        using var hub = Fetching.Hub();
        var list = Fetch(hub, "gpt2", "--list").Done().Output;
        Assert.Contains("5 files, ", list);
        Assert.Contains("5 of them, ", list);
        Assert.Contains("missing", list);
        var json = JsonNode.Parse(Fetch(hub, "gpt2", "--json").Done().Output)!;
        Assert.Equal(HubServer.Commit, (string)json["repositories"]![0]!["commit"]!);
        Assert.Equal(["SHA-256"], json["files"]!.AsArray().Where(f => (string)f!["path"]! == Fetching.Weights)
            .Select(f => (string)f!["checked_by"]!));
        Assert.Contains("0 of them, 0 B, would be fetched", Fetch(hub, "gpt2", "--list").Done().Output);
        Assert.Contains("(0 fetched now)", Fetch(hub, "gpt2", "--verify").Done().Output);
    }

    [Fact]
    public void A_token_that_would_go_over_plain_http_is_kept_with_a_note()
    {
        using var hub = Fetching.Hub();
        var verb = Start(hub, Fetching.Token, "gpt2");
        Assert.Equal(0, verb.Code);
        Assert.Contains($"note: HF_TOKEN is not sent: HF_ENDPOINT is {hub.Endpoint}", Assert.Single(verb.Error.TrimEnd().Split('\n')));
        Assert.DoesNotContain("secret", verb.Error + verb.Output);
        Assert.All(hub.Requests, r => Assert.Null(r.Authorization));
    }

    [Fact]
    public async Task Ctrl_c_leaves_what_came_and_says_so()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sends a signal");
        using var hub = Fetching.Hub(f => f with { StallAfter = 5000 });
        using var interrupt = new CancellationTokenSource();
        var watch = Task.Run(() =>
        {
            Patience.Until(() => File.Exists(_fetching.Part) && new FileInfo(_fetching.Part).Length >= 5000, "what the hub has sent");
            interrupt.Cancel();
        });
        var verb = Verb.Start(Call(hub, null, "gpt2"), interrupt.Token);
        await watch;
        Assert.Equal(130, verb.Code);
        Assert.Equal("onnx-attribution: cancelled; what came stays, and the same command goes on where it stopped",
            verb.Error.TrimEnd());
        Assert.Equal(5000, new FileInfo(_fetching.Part).Length);
    }

    [Fact]
    public void What_the_hub_refuses_is_one_line()
    {
        using var hub = Fetching.Hub();
        Fetch(hub, "nobody/nothing").Failed(1, "there is no repository nobody/nothing", "404");
        Fetch(hub, "gpt2", "--dictionaries", "res-jx").Failed(1, "Did you mean 'res-jb'?", "(--dictionaries)");
        Assert.False(Directory.Exists(Out));
    }

    [Theory]
    [InlineData("--layers 0-3", "--layers chooses among dictionaries; give --dictionaries too")]
    [InlineData("--sites mlp", "--sites chooses among dictionaries; give --dictionaries too")]
    [InlineData("--dictionaries res-jb --layers x", "--layers 'x' is neither a block's number nor a range")]
    [InlineData("--dictionaries res-jb --layers 0-3-5", "--layers '0-3-5' is neither")]
    [InlineData("--dictionaries res-jb --layers 7-3", "--layers '7-3' ends before it begins; write 3-7")]
    [InlineData("--dictionaries res-jb --layers ,", "--layers is empty")]
    [InlineData("--list --verify", "--verify contradicts it")]
    [InlineData("--fast", "no option '--fast'")]
    public void Bad_options_are_refused_in_one_line(string options, string words) =>
        Verb.Run(["fetch", "gpt2", "--out", Out, .. options.Split(' ')]).Failed(2, words);

    [Fact]
    public void A_model_and_a_folder_have_to_be_named()
    {
        Verb.Run("fetch", "--out", Out).Failed(2, "MODEL is missing");
        Verb.Run("fetch", "gpt2").Failed(2, "--out");
    }

    [Fact]
    public void The_bar_has_bytes_speed_and_time_to_go()
    {
        Assert.Equal("x.safetensors ████████████░░░░░░░░░░░░  50 %  1.0 GiB of 2.0 GiB, 16.0 MiB per second, 1:04 to go",
            FetchProgressBar.Line(new FetchProgress("x.safetensors", 1L << 30, 2L << 30, 1 << 24)));
        Assert.EndsWith("0 %  0 B of 4.0 KiB", FetchProgressBar.Line(new FetchProgress("x", 0, 4096, double.NaN)));
        Assert.Equal("asking for a/b", FetchProgressBar.Line(new FetchProgress("asking for a/b", 0, 0, double.NaN)));
    }

    private Verb Fetch(HubServer hub, params string[] arguments) => Start(hub, null, arguments);

    private Verb Start(HubServer hub, string? token, params string[] arguments) => Verb.Start(Call(hub, token, arguments));

    private ProcessStartInfo Call(HubServer hub, string? token, params string[] arguments)
    {
        var start = TestedProgram.Call(["fetch", .. arguments, "--out", Out]);
        foreach (var name in start.Environment.Keys.Where(k => k.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }
        start.Environment["HF_ENDPOINT"] = hub.Endpoint;
        start.Environment["HF_TOKEN"] = token ?? "";
        return start;
    }
}
