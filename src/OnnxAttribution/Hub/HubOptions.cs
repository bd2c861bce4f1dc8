namespace OnnxAttribution.Hub;

/// <summary>How the Hugging Face hub is asked: its address, the token, and how often a connection that fails is tried again.</summary>
internal sealed record HubOptions
{
    private const string PublicHub = "https://huggingface.co", EndpointVariable = "HF_ENDPOINT", TokenVariable = "HF_TOKEN";

    /// <summary>Scheme, host and port, with a path where a mirror has one; without a slash at its end.</summary>
    public Uri Endpoint { get; init; } = new(PublicHub);

    /// <summary>Sent to the hub alone, and over https alone; null: none.</summary>
    public string? Token { get; init; }

    /// <summary>Attempts in a row that bring no further byte before one gives up.</summary>
    public int Tries { get; init; } = 6;

    /// <summary>Before the first new attempt; doubled from one to the next, up to a minute.</summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>A connection that brings nothing for so long is given up.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What waits.</summary>
    public Func<TimeSpan, CancellationToken, Task> Pause { get; init; } = Task.Delay;

    /// <summary>Bytes that may still be written below an existing directory.</summary>
    public Func<string, long> RoomIn { get; init; } = directory => new DriveInfo(directory).AvailableFreeSpace;

    /// <summary>Whether the token goes to this address: the hub's own, over https, so that nobody on the way reads it.</summary>
    public bool SendsTokenTo(Uri address) => Token is not null && IsHub(address) && address.Scheme == Uri.UriSchemeHttps;

    public bool IsHub(Uri address) =>
        address.Scheme == Endpoint.Scheme && address.Host == Endpoint.Host && address.Port == Endpoint.Port;

    /// <summary>As the environment says: HF_ENDPOINT and HF_TOKEN.</summary>
    /// <param name="variable">A variable's value; null: not set.</param>
    /// <exception cref="HubException">One of them cannot be used.</exception>
    public static HubOptions FromEnvironment(Func<string, string?> variable)
    {
        var address = variable(EndpointVariable) is { Length: > 0 } given ? given.TrimEnd('/') : PublicHub;
        if (!Uri.TryCreate(address, UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("https" or "http")
            || endpoint is not { UserInfo: "", Query: "", Fragment: "" })
        {
            throw new HubException($"{EndpointVariable} is no address of a hub; it begins with https:// or http://, and "
                + "has no name, password or question in it");
        }
        var token = variable(TokenVariable) is { Length: > 0 } set ? set : null;
        if (token?.All(c => char.IsAsciiLetterOrDigit(c) || "._~+/=-".Contains(c)) == false)
        {
            throw new HubException($"{TokenVariable} has a character that no token has, perhaps a space or a line end; set it anew");
        }
        return new HubOptions { Endpoint = endpoint, Token = token };
    }
}
