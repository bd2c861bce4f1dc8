namespace OnnxAttribution.Tests.ExportScripts;

// what a hub or a network may not do: read a token, fill the disk
public sealed partial class FetchGpt2Tests
{
    [Fact]
    public void A_gated_repository_asks_for_a_token_and_the_token_goes_to_the_hub_alone()
    {
        using var hub = Hub(hub: new() { Token = Token, Certificate = new HubCertificate(_directory["hub.pem"]) });
        Fetch(hub).Failed(1, "401", Gpt2, "HF_TOKEN").Dispose();
        using var script = FetchScript.Start(hub, Token, "--out", Out, "--retry-delay", "0");
        script.Done();
        AssertWhole(hub);
        Assert.All(hub.Requests.Where(r => r.Cdn), r => Assert.Null(r.Authorization));
        Assert.Contains(hub.Requests, r => r.Cdn && r.BytesSent > 0);
        Assert.DoesNotContain("secret", script.Output);
        using var wrong = FetchScript.Start(hub, "hf_wrong", "--out", _directory["other"]);
        wrong.Failed(1, "401", Gpt2, "HF_TOKEN has no access");
        Assert.DoesNotContain("hf_wrong", wrong.Error);
    }

    [Fact]
    public void A_token_is_never_sent_over_plain_http()
    {
        using var hub = Hub();
        using var script = FetchScript.Start(hub, Token, "--out", Out, "--retry-delay", "0");
        Assert.Equal(0, script.Wait());
        AssertWhole(hub);
        Assert.All(hub.Requests, r => Assert.Null(r.Authorization));
        var line = Assert.Single(script.Error.TrimEnd().Split('\n'));
        foreach (var word in (string[])["HF_TOKEN is not sent", hub.Endpoint, "https://"]) Assert.Contains(word, line);
        Assert.DoesNotContain("secret", line);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_file_that_does_not_end_is_stopped_where_it_should_and_removed(bool announced)
    {
        using var hub = Hub(f => announced ? f with { Sent = [.. f.Bytes, .. new byte[5 << 20]] } : f with { NeverEnds = true });
        Fetch(hub).Failed(1, "model.safetensors", "does not end where it should", "check HF_ENDPOINT").Dispose();
        Assert.Equal(s_model.Where(f => f != "model.safetensors"), Fetched());
        // what the other end had not read is in the sockets' buffers
        Assert.InRange(hub.Requests.Single(r => r.Cdn).BytesSent, 1, 64 << 20);
    }
}
