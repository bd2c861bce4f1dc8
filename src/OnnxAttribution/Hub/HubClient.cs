using System.Net;
using System.Net.Http.Headers;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>
/// Asks the hub, and the hosts that it redirects to, by GET. Redirects are followed here, so that the token goes to the hub and to nobody
/// else. Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY). Who makes one disposes it.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostHops = 10;

    private readonly HubOptions _options;
    private readonly HttpClient _http;

    /// <param name="handler">What sends; becomes the client's. Null: the system's sockets.</param>
    public HubClient(HubOptions options, HttpMessageHandler? handler = null)
    {
        _options = options;
        _http = new HttpClient(handler ?? Sockets()) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("onnx-attribution", null));
    }

    public HubOptions Options => _options;

    /// <summary>What sends where nothing else is given: no redirect is followed and no cookie kept.</summary>
    public static SocketsHttpHandler Sockets() => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(30),
    };

    public void Dispose() => _http.Dispose();

    /// <summary>Gets what an address leads to; the answer's body is unread, and the answer the caller's to dispose.</summary>
    /// <param name="from">Asks for the bytes from this one on; 0: for all.</param>
    /// <exception cref="HubPauseException">It was not to be had now.</exception>
    /// <exception cref="HubException">It is not to be had.</exception>
    public async Task<HubAnswer> GetAsync(Uri address, long from, CancellationToken cancel)
    {
        HubChecksum? checksum = null;
        long? size = null;
        var at = address;
        for (var hops = 0; hops < MostHops; hops++)
        {
            var response = await SendAsync(at, from, cancel);
            if (_options.IsHub(at))
            {
                checksum ??= HubChecksum.Of(Header(response, "X-Linked-ETag")) ?? HubChecksum.Of(Header(response, "ETag"));
                size ??= long.TryParse(Header(response, "X-Linked-Size"), out var linked) ? linked : null;
            }
            if (!IsRedirect(response.StatusCode)) return new HubAnswer(response, at, checksum, size);
            var location = response.Headers.Location;
            response.Dispose();
            at = Next(at, location);
        }
        throw new HubException($"{address} is redirected {MostHops} times; check HF_ENDPOINT");
    }

    private Uri Next(Uri at, Uri? location)
    {
        if (location is null || !Uri.TryCreate(at, location, out var next) || next.Scheme is not ("https" or "http"))
        {
            throw new HubException($"{Shown(at)} is redirected to what is no address; check HF_ENDPOINT");
        }
        if (_options.Endpoint.Scheme == Uri.UriSchemeHttps && next.Scheme != Uri.UriSchemeHttps)
        {
            throw new HubException($"{Shown(at)} is redirected to {Shown(next)}, which is not https; check HF_ENDPOINT");
        }
        return next;
    }

    private async Task<HttpResponseMessage> SendAsync(Uri address, long from, CancellationToken cancel)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (_options.SendsTokenTo(address)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _options.Token);
        if (from > 0) request.Headers.Range = new RangeHeaderValue(from, null);
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stall.CancelAfter(_options.Stall);
        try
        {
            var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stall.Token);
            if (IsBusy(response.StatusCode)) throw Busy(response, address);
            return response;
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new HubPauseException($"{Origin(address)} does not answer", null, e);
        }
        catch (HttpRequestException e)
        {
            throw Fault(address, e);
        }
    }

    private static Exception Fault(Uri address, HttpRequestException e)
    {
        var words = FileFault.Words(e.InnerException is { } inner and not OperationCanceledException ? inner : e);
        return e.HttpRequestError switch
        {
            HttpRequestError.SecureConnectionError => new HubException($"{Origin(address)} cannot be trusted: {words}; "
                + "check HF_ENDPOINT, and give the certificate of a proxy of your own in SSL_CERT_FILE", e),
            HttpRequestError.ProxyTunnelError =>
                new HubException($"the proxy does not lead to {Origin(address)}: {words}; check HTTPS_PROXY and NO_PROXY", e),
            _ => new HubPauseException($"{Origin(address)} cannot be reached: {words}", null, e),
        };
    }

    private static HubPauseException Busy(HttpResponseMessage response, Uri address)
    {
        using (response)
        {
            var after = response.Headers.RetryAfter is not { } header ? null : header.Delta
                ?? (header.Date is { } date ? TimeSpan.FromTicks(Math.Max(0, (date - DateTimeOffset.UtcNow).Ticks)) : null);
            return new HubPauseException($"{Origin(address)} answers with HTTP status {(int)response.StatusCode}", after);
        }
    }

    private static bool IsBusy(HttpStatusCode status) =>
        status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;

    private static bool IsRedirect(HttpStatusCode status) => status is HttpStatusCode.MovedPermanently or HttpStatusCode.Found
        or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;

    internal static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out var values) ? values.FirstOrDefault() : null;

    /// <summary>Scheme, host and port: an address may hold a signature that is nobody else's business.</summary>
    internal static string Origin(Uri address) => address.GetLeftPart(UriPartial.Authority);

    private static string Shown(Uri address) => address.GetLeftPart(UriPartial.Path);
}

/// <summary>What came of an address: the answer's head, where it came from in the end, and what the hub said of the file on
/// the way.</summary>
internal sealed record HubAnswer(HttpResponseMessage Response, Uri From, HubChecksum? Checksum, long? LinkedSize) : IDisposable
{
    public HttpStatusCode Status => Response.StatusCode;

    public void Dispose() => Response.Dispose();
}
