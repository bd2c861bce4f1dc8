using System.Text.RegularExpressions;
using OnnxAttribution.Bundles;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.ExportScripts;

/// <summary>export-scripts/fetch_gpt2.sh against a hub that serves small files in the real one's layout and names.</summary>
public sealed partial class FetchGpt2Tests : IDisposable
{
    private const string Gpt2 = "openai-community/gpt2", ResJb = "jbloom/GPT2-Small-SAEs-Reformatted",
        HookZ = "ckkissane/attn-saes-gpt2-small-all-layers", Token = "hf_secret0123456789";

    private static readonly string[] s_model = ["config.json", "merges.txt", "model.safetensors", "tokenizer.json", "vocab.json"];

    private readonly TemporaryDirectory _directory = new();

    private string Out => _directory["gpt2"];

    private string Part => Path.Combine(Out, "model.safetensors.part");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void What_was_fetched_is_exported_by_the_command_that_is_printed_and_graphed()
    {
        using var hub = Hub(hub: new() { PageSize = 2 });
        AddResJb(hub, "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre");
        using var script = Fetch(hub, "--dictionaries", "res-jb", "--sites", "resid_pre", "--layers", "0-1").Done();
        Assert.Equal([.. s_model, .. Dictionary("res-jb/blocks.0.hook_resid_pre"), .. Dictionary("res-jb/blocks.1.hook_resid_pre")],
            Fetched().Order(StringComparer.Ordinal).OrderBy(f => f.Contains('/')));
        AssertWhole(hub);
        // as a shell reads the command that the script ends with
        var command = script.Output.TrimEnd().Split('\n')[^1].Trim().Split(' ');
        Assert.Equal(["onnx-attribution", "export", "--checkpoint", Out, "--dictionaries", $"{Out}/dictionaries/res-jb",
            "--out", "models/gpt2-res-jb"], command);
        var bundle = _directory["bundle"];
        // random dictionaries fit no model, which export would say
        Verb.Run([.. command[1..^1], bundle, "--no-check"]).Done();
        Assert.Equal(["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre"], BundleManifest.Read(bundle).Dictionaries.Select(d => d.Site));
        Assert.Contains("blocks.1.hook_resid_pre",
            Verb.Run("graph", "--model", bundle, "--prompt", "Hello", "--target", "x", "--out", _directory["run"]).Done().Output);
        // a token per byte, and BOS as the dictionaries' cfg wants it
        Assert.Equal(6, RunDirectory.Read(_directory["run"]).Facts["tokens"]!.AsArray().Count);
    }

    [Fact]
    public void Openais_dictionaries_are_found_though_one_repository_names_its_folders_as_files()
    {
        using var hub = Hub();
        foreach (var (site, folder) in new[] { ("resid_post", "v5_32k_layer_1.pt"), ("attn_out", "v5_32k_layer_1") })
        {
            AddDictionary(hub, $"jbloom/GPT2-Small-OAI-v5-32k-{site.Replace('_', '-')}-SAEs", folder, $"blocks.1.hook_{site}");
        }
        Fetch(hub, "--dictionaries", "v5-32k", "--sites", "resid_post,attn_out", "--layers", "1").Done().Dispose();
        Assert.Equal([.. Dictionary("v5-32k/blocks.1.hook_attn_out"), .. Dictionary("v5-32k/blocks.1.hook_resid_post")],
            Fetched().Where(f => f.Contains('/')));
    }

    [Fact]
    public void Attention_dictionaries_come_by_the_names_of_their_runs()
    {
        const string run = "gpt2-small_L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9";
        using var hub = Hub();
        hub.Add(HookZ, $"{run}.pt", [1, 2, 3]);
        hub.Add(HookZ, $"{run}_cfg.json", "{}"u8.ToArray());
        Fetch(hub, "--dictionaries", "hook_z", "--layers", "5").Done().Dispose();
        Assert.Equal([$"dictionaries/hook_z/blocks.5.attn.hook_z/{run}.pt", $"dictionaries/hook_z/blocks.5.attn.hook_z/{run}_cfg.json"],
            Fetched().Where(f => f.Contains('/')));
    }

    [Fact]
    public void Dropped_connections_are_taken_up_where_they_broke_off()
    {
        using var hub = Hub(f => f with { Drops = new([1000, 2000]) });
        Fetch(hub).Done().Dispose();
        AssertWhole(hub);
        var weights = hub.Requests.Where(r => r.Cdn).ToList();
        Assert.Equal([null, "bytes=1000-", "bytes=3000-"], weights.Select(r => r.Range));
        // no byte twice
        Assert.Equal(weights[0].File!.Bytes.Length, weights.Sum(r => r.BytesSent));
    }

    [Fact]
    public void A_server_that_ignores_ranges_is_asked_for_the_whole_file_again()
    {
        using var hub = Hub(f => f with { IgnoresRanges = true, Drops = new([1000]) });
        Fetch(hub).Done().Dispose();
        AssertWhole(hub);
        Assert.Equal([null, "bytes=1000-", null], hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void A_connection_that_drops_for_good_is_given_up_and_gone_on_with_by_the_next_run()
    {
        using (var hub = Hub(f => f with { Drops = new([1000, 0, 0, 0]) }))
        {
            Fetch(hub, "--retries", "2").Failed(1, "model.safetensors", Gpt2, "2 times without a further byte", "1.0 kB").Dispose();
            Assert.Equal(1000, new FileInfo(Part).Length);
        }
        using var better = Hub();
        Fetch(better).Done().Dispose();
        AssertWhole(better);
        Assert.Equal(["bytes=1000-"], better.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void A_wrong_checksum_names_both_removes_what_came_and_keeps_whole_files()
    {
        var sent = File.ReadAllBytes(Path.Combine(Random2.Checkpoint, "model.safetensors"));
        sent[^1] ^= 1;
        using var hub = Hub(f => f with { Sent = sent });
        var wrong = new HubFile(Gpt2, "model.safetensors", sent, Lfs: true);
        Fetch(hub)
            .Failed(1, "model.safetensors",
                "SHA-256 "
                + new HubFile(Gpt2, "", File.ReadAllBytes(Path.Combine(Random2.Checkpoint, "model.safetensors")), Lfs: true).Sha256
                + " expected",
                $"{wrong.Sha256} found").Dispose();
        Assert.Equal(s_model.Where(f => f != "model.safetensors"), Fetched());
    }

    [Fact]
    public void Small_files_are_checked_by_gits_checksum()
    {
        using var hub = Hub(how: f => f, config: f => f with { Sent = [.. f.Bytes[..^1], (byte)'!'] });
        Fetch(hub).Failed(1, "config.json", "git blob SHA-1", "expected", "found").Dispose();
        Assert.False(Directory.Exists(Out));
    }

    [Fact]
    public void Without_a_checksum_a_file_is_fetched_and_the_script_says_so()
    {
        using var hub = Hub(f => f with { HasNoChecksum = true });
        using var script = Fetch(hub);
        Assert.Equal(0, script.Wait());
        Assert.Contains($"gives no checksum of model.safetensors of {Gpt2}; it was not checked",
            Assert.Single(script.Error.TrimEnd().Split('\n')));
        AssertWhole(hub);
    }

    [Fact]
    public void A_mirror_without_a_list_of_files_is_fetched_by_the_published_names_and_still_checked()
    {
        using var hub = Hub(hub: new() { HasNoTree = true });
        using var script = Fetch(hub);
        Assert.Equal(0, script.Wait());
        Assert.Contains("has no list of the files", Assert.Single(script.Error.TrimEnd().Split('\n')));
        Assert.Contains("model.safetensors, ", script.Output);
        Assert.DoesNotContain("no checksum", script.Output);
        AssertWhole(hub);
    }

    [Fact]
    public void What_the_hub_does_not_have_is_named_with_what_to_check()
    {
        using var hub = Hub();
        AddResJb(hub, "blocks.0.hook_resid_pre");
        Fetch(hub, "--dictionaries", "res-jb", "--layers", "1")
            .Failed(1, "blocks.1.hook_resid_pre/cfg.json", ResJb, "check --revision")
            .Dispose();
        Fetch(hub, "--model", "gpt2-xl").Failed(1, "openai-community/gpt2-xl", "404").Dispose();
        Fetch(hub, "--revision", "v9").Failed(1, "'v9'", Gpt2, "--revision").Dispose();
        Assert.Equal(0, hub.BytesSent);
    }

    [Fact]
    public void A_file_that_a_mirror_lacks_is_named_and_no_empty_directory_is_left()
    {
        using var hub = new HubServer { HasNoTree = true };
        using (var empty = Fetch(hub)) Assert.Equal((1, false), (empty.Wait(), Directory.Exists(Out)));
        hub.Add(Gpt2, "config.json", "{}"u8.ToArray());
        using var script = Fetch(hub);
        Assert.Equal(1, script.Wait());
        foreach (var word in (string[])[Gpt2, "vocab.json", "404", "--revision", "HF_ENDPOINT"])
        {
            Assert.Contains(word, script.Error.TrimEnd().Split('\n')[^1]);
        }
    }

    [Fact]
    public void A_second_run_fetches_nothing_and_verify_finds_a_changed_file()
    {
        using var hub = Hub();
        Fetch(hub).Done().Dispose();
        var sent = hub.BytesSent;
        using var second = Fetch(hub, "--verify").Done();
        Assert.Equal(sent, hub.BytesSent);
        Assert.Contains("(0 fetched now)", second.Output);
        var merges = Path.Combine(Out, "merges.txt");
        File.WriteAllBytes(merges, [.. File.ReadAllBytes(merges)[..^1], (byte)' ']);
        Fetch(hub).Done().Dispose();
        Fetch(hub, "--verify").Failed(1, merges, "git blob SHA-1", "remove it").Dispose();
        File.AppendAllText(merges, "more");
        Fetch(hub).Failed(1, merges, "remove it", "--out").Dispose();
        Assert.Equal(sent, hub.BytesSent);
    }

    [Fact]
    public void An_interrupted_run_goes_on_where_it_stopped()
    {
        using (var stalling = Hub(f => f with { StallAfter = 5000 }))
        {
            using var script = FetchScript.Start(stalling, null, "--out", Out);
            Patience.Until(() => File.Exists(Part) && new FileInfo(Part).Length >= 5000, "what the hub has sent");
            script.PressCtrlC();
            script.Failed(130, "interrupted", "goes on where it stopped");
        }
        Assert.Equal(5000, new FileInfo(Part).Length);
        using var hub = Hub();
        Fetch(hub).Done().Dispose();
        AssertWhole(hub);
        Assert.Equal(["bytes=5000-"], hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
        Assert.Single(hub.Requests, r => r.BytesSent > 0);
    }

    [Theory, InlineData(0, 0), InlineData(7, 1)]
    public void A_part_that_is_already_whole_is_taken_and_one_that_is_too_long_is_begun_anew(int more, int requests)
    {
        using var hub = Hub();
        Directory.CreateDirectory(Out);
        File.WriteAllBytes(Part, [.. File.ReadAllBytes(Path.Combine(Random2.Checkpoint, "model.safetensors")), .. new byte[more]]);
        Fetch(hub).Done().Dispose();
        AssertWhole(hub);
        Assert.Equal(Enumerable.Repeat<string?>(null, requests), hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void List_says_what_is_there_and_what_would_be_fetched()
    {
        using var hub = Hub();
        AddResJb(hub, "blocks.0.hook_resid_pre");
        Fetch(hub).Done().Dispose();
        var sent = hub.BytesSent;
        using var script = Fetch(hub, "--list", "--dictionaries", "res-jb", "--layers", "0").Done();
        Assert.Equal(8, Regex.Matches(script.Output, $@"^ *[0-9.]+ (bytes|kB)  (there|missing) +{Regex.Escape(Out)}/\S+  \(\S+/\S+\)$",
            RegexOptions.Multiline).Count);
        Assert.Matches(@"\n8 files, .*; 3 of them, .*, would be fetched into ", script.Output);
        Assert.Equal(sent, hub.BytesSent);
    }

    [Theory]
    [InlineData("--dictionaries res-jx", "res-jb, v5-32k, v5-128k or hook_z")]
    [InlineData("--model gpt3", "distilgpt2")]
    [InlineData("--model gpt2-xl --dictionaries res-jb", "leave out --dictionaries")]
    [InlineData("--dictionaries res-jb --layers 3-12", "0 to 11")]
    [InlineData("--dictionaries res-jb --layers x", "--layers x")]
    [InlineData("--dictionaries res-jb --sites mlp_out", "res-jb has no dictionary of these --sites")]
    [InlineData("--sites mlp_out", "give --dictionaries too")]
    [InlineData("--out", "wants a value")]
    [InlineData("--fast", "there is no option --fast")]
    public void Bad_options_are_refused_in_one_line(string options, string words)
    {
        using var hub = Hub();
        FetchScript.Run(hub, options.Split(' ')).Failed(2, words).Dispose();
        Assert.Equal(0, hub.BytesSent);
    }
}
