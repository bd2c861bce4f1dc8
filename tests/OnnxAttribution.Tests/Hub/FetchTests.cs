using System.Text.Json.Nodes;
using OnnxAttribution.Hub;

namespace OnnxAttribution.Tests.Hub;

/// <summary>What is fetched, where it goes, and what is refused before the first byte.</summary>
public sealed class FetchTests : IDisposable
{
    private readonly Fetching _fetching = new();

    public void Dispose() => _fetching.Dispose();

    [Fact]
    public void Only_the_files_that_are_needed_come_and_the_commit_is_written_down()
    {
        using var hub = Fetching.Hub();
        _fetching.AddResJb(hub, "blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre");
        _fetching.Run(hub, _fetching.Request() with
        {
            Dictionaries = ["res-jb"], Layers = new HashSet<int> { 0, 1 }, Sites = ["resid"]
        });
        const string folder = "gpt2-small-res-jb/GPT2-Small-SAEs-Reformatted";
        Assert.Equal([.. Fetching.Model, .. Fetching.Dictionary($"{folder}/blocks.0.hook_resid_pre"),
            .. Fetching.Dictionary($"{folder}/blocks.1.hook_resid_pre")],
            _fetching.Fetched().Order(StringComparer.Ordinal).OrderBy(f => f.Contains('/')));
        _fetching.AssertWhole(hub);
        // every file of the commit that the list was of
        Assert.All(hub.Requests.Where(r => r.Target.Contains("/resolve/")), r => Assert.Contains(HubServer.Commit, r.Target));
        var record = JsonNode.Parse(File.ReadAllText(Path.Combine(_fetching.Out, "fetch.json")))!["repositories"]!.AsArray();
        Assert.Equal([(Fetching.Gpt2, "main", HubServer.Commit), (Fetching.ResJb, "main", HubServer.Commit)],
            record.Select(r => ((string)r!["name"]!, (string)r["revision"]!, (string)r["commit"]!)));
        Assert.Equal("gpt2-small-res-jb", (string)record[1]!["release"]!);
        Assert.Equal(6, record[1]!["files"]!.AsArray().Count);
    }

    [Fact]
    public void What_was_fetched_before_stays_at_its_commit_and_is_not_fetched_again()
    {
        using var hub = Fetching.Hub();
        _fetching.Run(hub);
        var sent = hub.BytesSent;
        var result = _fetching.Run(hub);
        Assert.Equal(sent, hub.BytesSent);
        Assert.All(result.Files, f => Assert.True(f.WasThere));
        Assert.EndsWith($"/revision/{HubServer.Commit}?blobs=true", hub.Requests[^1].Target);
        Assert.Equal("main", FetchRecord.Read(_fetching.Out).Repositories.Single().Revision);
    }

    [Fact]
    public void Verify_finds_a_changed_file_and_a_file_of_another_size_is_always_refused()
    {
        using var hub = Fetching.Hub();
        _fetching.Run(hub);
        var merges = Path.Combine(_fetching.Out, "merges.txt");
        File.WriteAllBytes(merges, [.. File.ReadAllBytes(merges)[..^1], (byte)' ']);
        _fetching.Run(hub);
        _fetching.Refused(hub, _fetching.Request() with { Mode = FetchMode.Verify }, null, merges, "git blob SHA-1", "remove it");
        File.AppendAllText(merges, "more");
        _fetching.Refused(hub, merges, "remove it", "choose another folder");
    }

    [Fact]
    public void A_list_asks_and_fetches_nothing()
    {
        using var hub = Fetching.Hub();
        var result = _fetching.Run(hub, _fetching.Request() with { Mode = FetchMode.List });
        Assert.Equal(Fetching.Model, result.Files.Select(f => f.Place).Order(StringComparer.Ordinal));
        Assert.Equal(0, hub.BytesSent);
        Assert.False(Directory.Exists(_fetching.Out));
    }

    [Theory]
    [InlineData("../outside.json")]
    [InlineData("a/../../b.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b.json")]
    [InlineData("a\\..\\b.json")]
    [InlineData("a/./b.json")]
    [InlineData("a\u0001.json")]
    public void A_repository_that_names_a_file_outside_of_it_is_not_fetched_at_all(string path)
    {
        using var hub = Fetching.Hub();
        hub.Add(Fetching.Gpt2, path, "x"u8.ToArray());
        _fetching.Refused(hub, Fetching.Gpt2, "would lie outside", "nothing of it is fetched");
        Assert.Equal(0, hub.BytesSent);
        Assert.False(Directory.Exists(_fetching.Out));
    }

    [Fact]
    public void The_disks_room_is_asked_before_the_first_byte()
    {
        using var hub = Fetching.Hub();
        _fetching.Refused(hub, null, o => o with { RoomIn = _ => 1000 }, "has room for 1,000 bytes", "are to be fetched", "make room");
        Assert.Equal(0, hub.BytesSent);
        Assert.False(Directory.Exists(_fetching.Out));
        // what is there in part is not fetched again
        var result = _fetching.Run(hub, _fetching.Request() with { Mode = FetchMode.List });
        var total = result.Files.Sum(f => f.Size!.Value);
        Directory.CreateDirectory(_fetching.Out);
        File.WriteAllBytes(_fetching.Part, File.ReadAllBytes(Path.Combine(Export.Random2.Checkpoint, Fetching.Weights))[..500]);
        _fetching.Run(hub, how: o => o with { RoomIn = _ => total - 500 });
        _fetching.AssertWhole(hub);
    }

    [Fact]
    public void Progress_counts_all_files_and_ends_at_all_of_them()
    {
        using var hub = Fetching.Hub();
        var result = _fetching.Run(hub);
        var last = _fetching.Progress.Last();
        Assert.Equal((result.Files.Sum(f => f.Size), 1.0), (last.Bytes, last.Share));
        Assert.Equal(_fetching.Progress.Select(p => p.Bytes).Order(), _fetching.Progress.Select(p => p.Bytes));
        Assert.Equal(TimeSpan.FromSeconds(30), new FetchProgress("x", 100, 400, 10).Remaining);
        Assert.Null(new FetchProgress("x", 100, 400, double.NaN).Remaining);
    }

    [Fact]
    public void Several_releases_may_share_a_short_name()
    {
        using var hub = Fetching.Hub();
        foreach (var (site, folder) in new[] { ("resid_post", "v5_32k_layer_1.pt"), ("attn_out", "v5_32k_layer_1") })
        {
            _fetching.AddDictionary(hub, $"jbloom/GPT2-Small-OAI-v5-32k-{site.Replace('_', '-')}-SAEs", folder, $"blocks.1.hook_{site}");
        }
        _fetching.Run(hub, _fetching.Request() with
        {
            Dictionaries = ["v5-32k"], Layers = new HashSet<int> { 1 }, Sites = ["resid_post", "attn"]
        });
        Assert.Equal(
            [.. Fetching.Dictionary("gpt2-small-attn-out-v5-32k/GPT2-Small-OAI-v5-32k-attn-out-SAEs/v5_32k_layer_1"),
                .. Fetching.Dictionary("gpt2-small-resid-post-v5-32k/GPT2-Small-OAI-v5-32k-resid-post-SAEs/v5_32k_layer_1.pt")],
            _fetching.Fetched().Where(f => f.Contains('/')));
    }

    [Fact]
    public void A_file_of_weights_comes_with_its_config_of_the_same_name()
    {
        const string kissane = "ckkissane/attn-saes-gpt2-small-all-layers",
            run = "gpt2-small_L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9";
        using var hub = Fetching.Hub();
        foreach (var name in (string[])[run, run.Replace("L5", "L4")])
        {
            hub.Add(kissane, $"{name}.pt", [1, 2, 3]);
            hub.Add(kissane, $"{name}_cfg.json", "{}"u8.ToArray());
        }
        _fetching.Run(hub, _fetching.Request() with { Dictionaries = ["hook_z"], Layers = new HashSet<int> { 5 } });
        const string folder = "dictionaries/gpt2-small-hook-z-kk/attn-saes-gpt2-small-all-layers";
        Assert.Equal([$"{folder}/{run}.pt", $"{folder}/{run}_cfg.json"], _fetching.Fetched().Where(f => f.Contains('/')));
    }

    [Fact]
    public void Any_repository_is_fetched_by_its_name_without_what_is_of_training_or_for_readers()
    {
        using var hub = Fetching.Hub();
        foreach (var path in (string[])["config.yaml", "README.md", ".cache/x.json", "layer_3/sae.pt", "layer_3/cfg.json",
            "layer_3/optimizer.pt", "layer_13/sae.pt", "plot.png"])
        {
            hub.Add("some-one/saes.v2", path, [1, 2]);
        }
        var request = _fetching.Request() with { Dictionaries = [$"hf:some-one/saes.v2@{HubServer.Commit}"] };
        _fetching.Run(hub, request with { Layers = new HashSet<int> { 3 } });
        List<string> of3 = ["dictionaries/saes.v2/config.yaml", "dictionaries/saes.v2/layer_3/cfg.json",
            "dictionaries/saes.v2/layer_3/sae.pt"];
        Assert.Equal(of3, _fetching.Fetched().Where(f => f.Contains('/')));
        _fetching.Run(hub, request);
        Assert.Equal([of3[0], "dictionaries/saes.v2/layer_13/sae.pt", .. of3[1..]], _fetching.Fetched().Where(f => f.Contains('/')));
        _fetching.Refused(hub, request with { Layers = new HashSet<int> { 7 } }, null, "no dictionary whose path names one of these");
        _fetching.Refused(hub, request with { Sites = ["mlp"] }, null, "some-one/saes.v2", "no kind of sites can be chosen");
    }

    [Fact]
    public void A_model_of_another_name_gets_the_dictionaries_with_a_note()
    {
        using var hub = Fetching.Hub();
        foreach (var name in Fetching.Model) hub.Add("me/gpt2-copy", name, [1, 2]);
        _fetching.AddResJb(hub, "blocks.0.hook_resid_pre");
        var result = _fetching.Run(hub, _fetching.Request("me/gpt2-copy") with
        {
            Dictionaries = ["res-jb"], Layers = new HashSet<int> { 0 }
        });
        Assert.Contains("was trained on openai-community/gpt2, and the model is me/gpt2-copy", Assert.Single(result.Notes));
    }

    [Theory]
    [InlineData("config.json,pytorch_model.bin", "has no model.safetensors")]
    [InlineData("model.safetensors", "has no config.json")]
    [InlineData("config.json,model-00001-of-00002.safetensors", "has no model.safetensors")]
    public void A_repository_that_holds_no_model_as_it_is_read_says_so(string files, string words)
    {
        using var hub = new HubServer();
        foreach (var file in files.Split(',')) hub.Add("some/model", file, [1, 2]);
        _fetching.Refused(hub, _fetching.Request("some/model"), null, words);
        Assert.Equal(0, hub.BytesSent);
    }

    [Fact]
    public void Shards_come_with_their_index_and_nothing_else()
    {
        using var hub = new HubServer();
        foreach (var file in (string[])["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json", "consolidated.safetensors", "original/params.json", "tokenizer.model"])
        {
            hub.Add("some/model", file, [1, 2]);
        }
        _fetching.Run(hub, _fetching.Request("hf:some/model@main"));
        Assert.Equal(["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
            "model.safetensors.index.json"], _fetching.Fetched());
    }

    [Theory]
    [InlineData("res-jx", "Did you mean 'res-jb'?")]
    [InlineData("hf:a/b/c", "is no name on the hub")]
    [InlineData("hf:../b", "is no name on the hub")]
    [InlineData("hf:a/..", "is no name on the hub")]
    public void Unknown_dictionaries_are_refused_before_anything_is_asked(string name, string words)
    {
        using var hub = Fetching.Hub();
        _fetching.Refused(hub, _fetching.Request() with { Dictionaries = [name] }, null, words);
        Assert.Empty(hub.Requests);
    }

    [Fact]
    public void A_choice_that_leaves_nothing_says_what_there_is()
    {
        using var hub = Fetching.Hub();
        _fetching.Refused(hub, _fetching.Request() with { Dictionaries = ["res-jb"], Sites = ["mlp"] }, null,
            "res-jb has no dictionary of these sites and layers; it has resid_pre 0-11, resid_post 11-11");
        Assert.Empty(hub.Requests);
    }

    [Fact]
    public void Two_calls_for_one_folder_take_turns()
    {
        using var stalling = Fetching.Hub(f => f with { StallAfter = 10 });
        using var cancel = new CancellationTokenSource();
        var first = Task.Run(() => _fetching.Run(stalling, cancel: cancel.Token));
        Patience.Until(() => File.Exists(_fetching.Part), "the first to begin");
        using var hub = Fetching.Hub();
        _fetching.Refused(hub, "another program fetches into");
        cancel.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => first.GetAwaiter().GetResult());
    }

    [Fact]
    public void A_record_that_is_none_is_not_overwritten()
    {
        using var hub = Fetching.Hub();
        Directory.CreateDirectory(_fetching.Out);
        File.WriteAllText(Path.Combine(_fetching.Out, "fetch.json"), "{\"mine\": 1}");
        _fetching.Refused(hub, "fetch.json", "is not what was written there");
    }
}
