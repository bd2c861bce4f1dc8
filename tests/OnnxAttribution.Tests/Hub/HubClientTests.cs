using OnnxAttribution.Hub;

namespace OnnxAttribution.Tests.Hub;

/// <summary>What the hub says no to, whom the token goes to, and how long a busy hub is waited for.</summary>
public sealed class HubClientTests : IDisposable
{
    private readonly Fetching _fetching = new();

    public void Dispose() => _fetching.Dispose();

    [Fact]
    public void A_gated_repository_asks_for_a_token_and_the_token_goes_to_the_hub_alone()
    {
        using var hub = Fetching.Hub(hub: new() { Token = Fetching.Token, Certificate = new HubCertificate() });
        _fetching.Refused(hub, "401", Fetching.Gpt2, "HF_TOKEN");
        _fetching.Run(hub, how: o => o with { Token = Fetching.Token });
        _fetching.AssertWhole(hub);
        Assert.All(hub.Requests.Where(r => r.Cdn), r => Assert.Null(r.Authorization));
        Assert.Contains(hub.Requests, r => r.Cdn && r.BytesSent > 0);
        var wrong = Assert.Throws<HubException>(() =>
            _fetching.Run(hub, _fetching.Request() with { Out = _fetching.Directory["other"] }, o => o with { Token = "hf_wrong" }));
        Assert.Contains("HF_TOKEN has no access", wrong.Message);
        Assert.DoesNotContain("hf_wrong", wrong.Message);
    }

    [Fact]
    public void A_token_is_never_sent_over_plain_http()
    {
        using var hub = Fetching.Hub();
        _fetching.Run(hub, how: o => o with { Token = Fetching.Token });
        _fetching.AssertWhole(hub);
        Assert.All(hub.Requests, r => Assert.Null(r.Authorization));
    }

    [Theory]
    [InlineData("https://huggingface.co/a", true)]
    [InlineData("https://huggingface.co:8443/a", false)]
    [InlineData("http://huggingface.co/a", false)]
    [InlineData("https://huggingface.co.evil.example/a", false)]
    [InlineData("https://cdn-lfs.huggingface.co/a", false)]
    public void The_token_goes_to_the_hubs_own_host_and_port_by_https(string address, bool goes) =>
        Assert.Equal(goes, new HubOptions { Token = Fetching.Token }.SendsTokenTo(new Uri(address)));

    [Fact]
    public void What_the_hub_does_not_have_is_named_with_what_to_check()
    {
        using var hub = Fetching.Hub();
        _fetching.AddResJb(hub, "blocks.0.hook_resid_pre");
        _fetching.Refused(hub, _fetching.Request() with { Dictionaries = ["res-jb"], Layers = new HashSet<int> { 1 } }, null,
            Fetching.ResJb, "has no blocks.1.hook_resid_pre", HubServer.Commit);
        _fetching.Refused(hub, _fetching.Request("gpt2-xl"), null, "openai-community/gpt2-xl", "404");
        _fetching.Refused(hub, _fetching.Request("gpt2@v9"), null, "'v9'", Fetching.Gpt2, "404");
        Assert.Equal(0, hub.BytesSent);
        Assert.False(Directory.Exists(_fetching.Out));
    }

    [Theory]
    [InlineData("429 Too Many Requests", "Retry-After: 7", 7)]
    [InlineData("503 Service Unavailable", "X-Nothing: 1", 1)]
    public void A_busy_hub_is_waited_for_as_long_as_it_says(string status, string header, int seconds)
    {
        using var hub = Fetching.Hub();
        hub.Instead.Enqueue((status, [header]));
        _fetching.Run(hub);
        _fetching.AssertWhole(hub);
        Assert.Equal([seconds], _fetching.Waited.Select(w => w.TotalSeconds));
        Assert.Contains($"status {status[..3]}; going on in {seconds} s", Assert.Single(_fetching.Said));
    }

    [Fact]
    public void A_hub_that_wants_to_be_left_alone_for_long_is()
    {
        using var hub = Fetching.Hub();
        hub.Instead.Enqueue(("429 Too Many Requests", ["Retry-After: 3600"]));
        _fetching.Refused(hub, Fetching.Gpt2, "429", "left alone for 3,600 s");
        Assert.Empty(_fetching.Waited);
    }

    [Fact]
    public void A_hub_that_cannot_be_reached_is_named_with_what_to_check()
    {
        using var hub = Fetching.Hub();
        var endpoint = hub.Endpoint;
        hub.Dispose();
        _fetching.Refused(hub, null, o => o with { Tries = 2, Endpoint = new Uri(endpoint) }, $"{endpoint} cannot be reached", "2 times",
            "check HF_ENDPOINT, proxies and the network");
    }

    [Fact]
    public void A_certificate_that_nobody_vouches_for_is_refused_at_once()
    {
        using var hub = Fetching.Hub(hub: new() { Certificate = new HubCertificate() });
        using var client = new HubClient(new HubOptions { Endpoint = new Uri(hub.Endpoint), Token = Fetching.Token });
        var thrown = Assert.Throws<HubException>(() => Fetch.RunAsync(_fetching.Request(), client,
            new FetchWatch(_ => { }, _ => { }, _ => { }), CancellationToken.None).GetAwaiter().GetResult());
        Assert.Contains("cannot be trusted", thrown.Message);
        Assert.Empty(hub.Requests);
    }

    [Theory]
    [InlineData("Location: http://elsewhere.example/x", "is not https")]
    [InlineData("Location: file:///etc/passwd", "redirected to what is no address")]
    [InlineData("X-Nothing: 1", "redirected to what is no address")]
    public void A_redirect_to_what_is_not_safe_is_refused(string header, string words)
    {
        using var hub = Fetching.Hub(hub: new() { Certificate = new HubCertificate() });
        hub.Instead.Enqueue(("302 Found", [header]));
        _fetching.Refused(hub, words);
    }

    [Fact]
    public void A_hub_that_redirects_in_a_circle_is_left()
    {
        using var hub = Fetching.Hub();
        for (var i = 0; i < 10; i++) hub.Instead.Enqueue(("307 Temporary Redirect", ["Location: /api/models/a/b/revision/main"]));
        _fetching.Refused(hub, "is redirected 10 times");
    }

    [Fact]
    public async Task A_proxy_is_asked_for_the_whole_address()
    {
        using var proxy = Fetching.Hub();
        var handler = HubClient.Sockets();
        handler.Proxy = new System.Net.WebProxy(proxy.Endpoint);
        using var client = new HubClient(new HubOptions { Endpoint = new Uri("http://hub.example") }, handler);
        var reference = HubReference.Parse(Fetching.Gpt2);
        var retry = new HubRetry(client.Options, _ => { });
        var listed = await HubRepository.ListAsync(client, retry, reference, TestContext.Current.CancellationToken);
        Assert.Equal(HubServer.Commit, listed.Commit);
        Assert.StartsWith("http://hub.example/api/models/", proxy.Requests.Single().Target);
    }

    [Theory]
    [InlineData("HF_ENDPOINT", "huggingface.co", "begins with https://")]
    [InlineData("HF_ENDPOINT", "ftp://huggingface.co", "begins with https://")]
    [InlineData("HF_ENDPOINT", "https://me:secret@huggingface.co", "no name, password")]
    [InlineData("HF_TOKEN", "hf_a b", "a character that no token has")]
    [InlineData("HF_TOKEN", "hf_a\n", "a character that no token has")]
    public void A_variable_that_cannot_be_used_is_named_and_not_shown(string name, string value, string words)
    {
        var thrown = Assert.Throws<HubException>(() => HubOptions.FromEnvironment(asked => asked == name ? value : null));
        Assert.Contains(name, thrown.Message);
        Assert.Contains(words, thrown.Message);
        Assert.DoesNotContain(value.Trim(), thrown.Message);
    }

    [Fact]
    public void Without_variables_it_is_the_public_hub_and_a_mirror_may_have_a_path()
    {
        Assert.Equal("https://huggingface.co/", HubOptions.FromEnvironment(_ => null).Endpoint.AbsoluteUri);
        var options = HubOptions.FromEnvironment(n => n == "HF_ENDPOINT" ? "https://mirror.example/hf/" : "hf_x");
        Assert.Equal("https://mirror.example/hf", options.Endpoint.AbsoluteUri);
        Assert.True(options.SendsTokenTo(new Uri("https://mirror.example/hf/api")));
    }
}
