using OnnxAttribution.Hub;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Hub;

/// <summary>One file at a time from a hub whose connections drop, stand still, begin anew or bring something else.</summary>
public sealed class DownloadTests : IDisposable
{
    private readonly Fetching _fetching = new();

    private static byte[] Weights => File.ReadAllBytes(Path.Combine(Random2.Checkpoint, Fetching.Weights));

    public void Dispose() => _fetching.Dispose();

    [Fact]
    public void Dropped_connections_are_taken_up_where_they_broke_off()
    {
        using var hub = Fetching.Hub(f => f with { Drops = new([1000, 2000]) });
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        var weights = hub.Requests.Where(r => r.Cdn).ToList();
        Assert.Equal([null, "bytes=1000-", "bytes=3000-"], weights.Select(r => r.Range));
        // no byte twice
        Assert.Equal(weights[0].File!.Bytes.Length, weights.Sum(r => r.BytesSent));
        // each brought some bytes, so that each is the first failure
        Assert.Equal([1, 1], _fetching.Waited.Select(w => w.TotalSeconds));
        Assert.All(_fetching.Said, said => Assert.Contains("broke off; going on in 1 s", said));
    }

    [Fact]
    public void A_server_that_ignores_ranges_is_asked_for_the_whole_file_again()
    {
        using var hub = Fetching.Hub(f => f with { IgnoresRanges = true, Drops = new([1000]) });
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Equal([null, "bytes=1000-"], hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
        Assert.Equal([1000, Weights.Length], hub.Requests.Where(r => r.Cdn).Select(r => (int)r.BytesSent));
    }

    [Fact]
    public void A_connection_that_drops_for_good_is_given_up_and_gone_on_with_by_the_next_call()
    {
        using (var hub = Fetching.Hub(f => f with { Drops = new([1000, 0, 0, 0, 0]) }))
        {
            _fetching.Refused(hub, null, o => o with { Tries = 4 }, Fetching.Weights, Fetching.Gpt2, "4 times without a further byte",
                "goes on at 1,000 bytes");
            Assert.Equal([1, 2, 4], _fetching.Waited.Select(w => w.TotalSeconds));
            Assert.Equal(1000, new FileInfo(_fetching.Part).Length);
        }
        using var better = Fetching.Hub();
        _fetching.Run(better);
        _fetching.AssertWhole(better);
        Assert.Equal(["bytes=1000-"], better.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void A_connection_that_stands_still_is_given_up()
    {
        using var hub = Fetching.Hub(f => f with { StallAfter = 1000 });
        _fetching.Refused(hub, null, o => o with { Tries = 1, Stall = TimeSpan.FromSeconds(2) }, Fetching.Weights,
            "sends nothing more");
        Assert.Equal(1000, new FileInfo(_fetching.Part).Length);
    }

    [Fact]
    public void A_wrong_checksum_names_both_removes_what_came_and_keeps_whole_files()
    {
        var sent = Weights;
        sent[^1] ^= 1;
        using var hub = Fetching.Hub(f => f with { Sent = sent });
        _fetching.Refused(hub, Fetching.Weights,
            $"SHA-256 {new ServedFile("", "", Weights, Lfs: true).Sha256} expected",
            $"{new ServedFile("", "", sent, Lfs: true).Sha256} found");
        Assert.DoesNotContain(_fetching.Fetched(), f => f.StartsWith(Fetching.Weights, StringComparison.Ordinal));
        Assert.Contains("config.json", _fetching.Fetched());
    }

    [Fact]
    public void Small_files_are_checked_by_gits_checksum()
    {
        using var hub = Fetching.Hub(config: f => f with { Sent = [.. f.Bytes[..^1], (byte)'!'] });
        _fetching.Refused(hub, "config.json", "git blob SHA-1", "expected", "found");
        Assert.DoesNotContain("config.json", _fetching.Fetched());
    }

    [Fact]
    public void Where_the_list_has_no_sizes_and_checksums_the_answers_have()
    {
        var sent = Weights;
        sent[0] ^= 1;
        using var wrong = Fetching.Hub(f => f with { IsListedByName = true, Sent = sent }, f => f with { IsListedByName = true });
        _fetching.Refused(wrong, Fetching.Weights, "SHA-256");
        using var hub = Fetching.Hub(f => f with { IsListedByName = true, Drops = new([1000]) }, f => f with { IsListedByName = true });
        var result = _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Equal("SHA-256", result.Files.Single(f => f.Place == Fetching.Weights).CheckedBy);
    }

    [Fact]
    public void Without_a_checksum_a_file_is_fetched_and_counts_as_not_checked()
    {
        using var hub = Fetching.Hub(f => f with { HasNoChecksum = true });
        var result = _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Null(result.Files.Single(f => f.Place == Fetching.Weights).CheckedBy);
        Assert.Equal("git blob SHA-1", result.Files.Single(f => f.Place == "config.json").CheckedBy);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_file_that_does_not_end_is_stopped_where_it_should_and_removed(bool announced)
    {
        using var hub = Fetching.Hub(f => announced ? f with { Sent = [.. f.Bytes, .. new byte[5 << 20]] } : f with { NeverEnds = true });
        _fetching.Refused(hub, Fetching.Weights, "does not end where it should", "check HF_ENDPOINT");
        Assert.DoesNotContain(_fetching.Fetched(), f => f.StartsWith(Fetching.Weights, StringComparison.Ordinal));
        // what the other end had not read is in the sockets' buffers
        Assert.InRange(hub.Requests.Single(r => r.Cdn).BytesSent, 1, 64 << 20);
    }

    [Fact]
    public void A_file_of_unknown_size_that_does_not_end_leaves_room_on_the_disk()
    {
        using var hub = Fetching.Hub(f => f with { NeverEnds = true, IsListedByName = true, HasNoSize = true });
        _fetching.Refused(hub, null, o => o with { RoomIn = _ => 1 << 20 }, "its size is not told, and the disk was filling up");
        Assert.DoesNotContain(_fetching.Fetched(), f => f.StartsWith(Fetching.Weights, StringComparison.Ordinal));
    }

    [Theory, InlineData(0, 0), InlineData(7, 1)]
    public void A_part_that_is_already_whole_is_taken_and_one_that_is_too_long_is_begun_anew(int more, int requests)
    {
        using var hub = Fetching.Hub();
        Directory.CreateDirectory(_fetching.Out);
        File.WriteAllBytes(_fetching.Part, [.. Weights, .. new byte[more]]);
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Equal(Enumerable.Repeat<string?>(null, requests), hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void A_part_of_another_file_is_found_by_its_checksum()
    {
        using var hub = Fetching.Hub();
        Directory.CreateDirectory(_fetching.Out);
        File.WriteAllBytes(_fetching.Part, new byte[100]);
        _fetching.Refused(hub, Fetching.Weights, "SHA-256", "what came is removed");
        Assert.False(File.Exists(_fetching.Part));
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
    }

    [Fact]
    public void A_link_in_a_parts_place_is_not_followed()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need a right there");
        using var hub = Fetching.Hub();
        Directory.CreateDirectory(_fetching.Out);
        var target = _fetching.Directory["elsewhere"];
        File.WriteAllText(target, "mine");
        File.CreateSymbolicLink(_fetching.Part, target);
        _fetching.Refused(hub, "is a link, which is not followed");
        Assert.Equal("mine", File.ReadAllText(target));
    }

    [Fact]
    public void A_listed_file_that_is_gone_is_named()
    {
        using var hub = Fetching.Hub(f => f with { IsGone = true });
        _fetching.Refused(hub, Fetching.Weights, Fetching.Gpt2, HubServer.Commit, "404");
    }

    [Fact]
    public void An_interrupted_call_leaves_what_came_and_the_next_goes_on_there()
    {
        using (var stalling = Fetching.Hub(f => f with { StallAfter = 5000 }))
        {
            using var cancel = new CancellationTokenSource();
            var run = Task.Run(() => _fetching.Run(stalling, cancel: cancel.Token));
            Patience.Until(() => File.Exists(_fetching.Part) && new FileInfo(_fetching.Part).Length >= 5000, "what the hub has sent");
            cancel.Cancel();
            Assert.ThrowsAny<OperationCanceledException>(() => run.GetAwaiter().GetResult());
        }
        Assert.Equal(5000, new FileInfo(_fetching.Part).Length);
        Assert.Equal(HubServer.Commit, FetchRecord.Read(_fetching.Out).Repositories.Single().Commit);
        using var hub = Fetching.Hub();
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Equal(["bytes=5000-"], hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
        Assert.Single(hub.Requests, r => r.BytesSent > 0);
    }
}
