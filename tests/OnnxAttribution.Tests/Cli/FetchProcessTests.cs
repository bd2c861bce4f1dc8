using System.Security.Cryptography;
using OnnxAttribution.Tests.Hub;

namespace OnnxAttribution.Tests.Cli;

/// <summary>What a hub can do to a fetch, as the program on its own meets it: make package runs these with the one that is compiled ahead
/// of time.</summary>
public sealed class FetchProcessTests : IDisposable
{
    private readonly Fetching _fetching = new();

    public void Dispose() => _fetching.Dispose();

    [Fact]
    public void A_connection_that_drops_is_taken_up_where_it_broke_off()
    {
        using var hub = Fetching.Hub(f => f with { Drops = new([1000]) });
        Fetch(hub).Done();
        _fetching.AssertWhole(hub);
        Assert.Equal([null, "bytes=1000-"], hub.Requests.Where(r => r.Cdn).Select(r => r.Range));
    }

    [Fact]
    public void A_wrong_checksum_is_one_line_and_what_came_is_removed()
    {
        var sent = File.ReadAllBytes(Path.Combine(Random2Fixture.Checkpoint, Fetching.Weights));
        sent[^1] ^= 1;
        using var hub = Fetching.Hub(f => f with { Sent = sent });
        var verb = Fetch(hub);
        Assert.Equal(1, verb.Code);
        Assert.Contains($"{Convert.ToHexStringLower(SHA256.HashData(sent))} found", Assert.Single(verb.Error.TrimEnd().Split('\n')));
        Assert.DoesNotContain($"fetched {Fetching.Weights}", verb.Output);
        Assert.DoesNotContain(_fetching.Fetched(), f => f.StartsWith(Fetching.Weights, StringComparison.Ordinal));
    }

    [Fact]
    public void A_busy_hub_is_waited_for()
    {
        using var hub = Fetching.Hub();
        hub.Instead.Enqueue(("429 Too Many Requests", ["Retry-After: 1"]));
        Fetch(hub).Done();
        Assert.Equal(hub.Requests[0].Target, hub.Requests[1].Target);
        _fetching.AssertWhole(hub);
    }

    [Fact]
    public void A_name_that_would_lie_outside_is_refused_with_all_of_its_repository()
    {
        using var hub = Fetching.Hub();
        hub.Add(Fetching.Gpt2, "a/../../b.safetensors", "x"u8.ToArray());
        Fetch(hub).Failed(1, Fetching.Gpt2, "would lie outside", "nothing of it is fetched");
        Assert.False(Directory.Exists(_fetching.Out));
    }

    [Fact]
    public void By_https_a_certificate_is_asked_for_and_the_token_goes_to_the_hub_alone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "elsewhere certificates are the system's, which a test does not change");
        var certificate = new HubCertificate();
        File.WriteAllText(_fetching.Directory["hub.pem"], certificate.Certificate.ExportCertificatePem());
        using var hub = Fetching.Hub(hub: new() { Token = Fetching.Token, Certificate = certificate });
        Fetch(hub, ("HF_TOKEN", Fetching.Token)).Failed(1, "cannot be trusted");
        Assert.Empty(hub.Requests);
        var trusted = ("SSL_CERT_FILE", _fetching.Directory["hub.pem"]);
        Fetch(hub, trusted).Failed(1, "401", Fetching.Gpt2, "HF_TOKEN");
        Fetch(hub, trusted, ("HF_TOKEN", Fetching.Token)).Done();
        _fetching.AssertWhole(hub);
        Assert.All(hub.Requests.Where(r => r.Cdn), r => Assert.Null(r.Authorization));
        Assert.Contains(hub.Requests, r => r.Cdn && r.BytesSent > 0);
    }

    private Verb Fetch(HubServer hub, params (string Name, string Value)[] variables)
    {
        var start = TestedProgram.Call("fetch", "gpt2", "--out", _fetching.Out);
        foreach (var name in start.Environment.Keys.Where(k => k.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }
        (start.Environment["HF_ENDPOINT"], start.Environment["HF_TOKEN"]) = (hub.Endpoint, "");
        foreach (var (name, value) in variables) start.Environment[name] = value;
        return Verb.Start(start);
    }
}
