using System.Net;
using System.Text.Json;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>What a repository holds at one commit, as the hub's list of it says.</summary>
/// <param name="Reference">As it was asked for.</param>
/// <param name="Commit">Forty hexadecimal digits: whoever asks for them gets the same bytes.</param>
internal sealed record HubRepository(HubReference Reference, string Commit, IReadOnlyList<HubFile> Files)
{
    private const long MostBytes = 64 << 20;

    /// <summary>Lists a repository; its revision becomes a commit before anything else is asked for.</summary>
    /// <exception cref="HubException">There is none, it may not be read, or its list cannot be.</exception>
    public static Task<HubRepository> ListAsync(HubClient client, HubRetry retry, HubReference reference, CancellationToken cancel)
    {
        var address = new Uri($"{Root(client)}/api/models/{reference.Repository}/revision/"
            + $"{Uri.EscapeDataString(reference.RevisionOrDefault)}?blobs=true");
        return retry.RunAsync($"the list of {reference.Repository}", async () =>
        {
            using var answer = await client.GetAsync(address, 0, cancel);
            if (answer.Status != HttpStatusCode.OK) throw Refused(client.Options, reference, answer);
            return Read(reference, await BodyAsync(client.Options, answer, cancel));
        }, null, cancel);
    }

    /// <summary>Where a file's bytes are.</summary>
    public Uri AddressOf(HubClient client, HubFile file) =>
        new($"{Root(client)}/{Reference.Repository}/resolve/{Commit}/"
            + string.Join('/', file.Path.Split('/').Select(Uri.EscapeDataString)));

    /// <summary>What a refusal says, and what to do about it.</summary>
    public static HubException Refused(HubOptions options, HubReference reference, HubAnswer answer)
    {
        var (repository, page) = (reference.Repository, $"{options.Endpoint.AbsoluteUri.TrimEnd('/')}/{reference.Repository}");
        return (answer.Status, HubClient.Header(answer.Response, "X-Error-Code")) switch
        {
            (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden, _) when options.SendsTokenTo(options.Endpoint) =>
                new HubException($"the hub refuses {repository} (HTTP status {(int)answer.Status}): the token in HF_TOKEN has no access to "
                    + $"it, or there is no such repository; accept its terms on {page}, or check the token"),
            (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden, _) =>
                new HubException($"the hub refuses {repository} (HTTP status {(int)answer.Status}): it is gated, private or does not "
                    + $"exist; check the name on {page} and set HF_TOKEN to a token that may read it"),
            (HttpStatusCode.NotFound, "RevisionNotFound") =>
                new HubException($"{repository} has no revision {DisplayText.QuotedName(reference.RevisionOrDefault)} (HTTP status 404); "
                    + $"check it against {page}/commits/main"),
            (HttpStatusCode.NotFound, _) =>
                new HubException($"there is no repository {repository} at {options.Endpoint.AbsoluteUri.TrimEnd('/')} (HTTP status 404), "
                    + "or the server keeps no lists of files; check the name and HF_ENDPOINT"),
            _ => new HubException($"{page} answers with HTTP status {(int)answer.Status}; check HF_ENDPOINT"),
        };
    }

    private static string Root(HubClient client) => client.Options.Endpoint.AbsoluteUri.TrimEnd('/');

    private static async Task<byte[]> BodyAsync(HubOptions options, HubAnswer answer, CancellationToken cancel)
    {
        using var body = new MemoryStream();
        await HubBody.CopyAsync(options, answer, cancel, bytes =>
        {
            if (body.Length + bytes.Length > MostBytes)
            {
                throw new HubException($"the list of files from {HubClient.Origin(answer.From)} does not end; check HF_ENDPOINT");
            }
            body.Write(bytes.Span);
        });
        return body.ToArray();
    }

    private static HubRepository Read(HubReference reference, byte[] body)
    {
        try
        {
            using var document = PythonJson.Parse(body);
            var commit = document.RootElement.GetProperty("sha").GetString()!;
            var files = document.RootElement.GetProperty("siblings").EnumerateArray().Select(ReadFile).ToList();
            if (HubChecksum.Of(commit) is not { Value.Length: 40 } sha) throw new FormatException("its commit is no commit");
            if (files.FirstOrDefault(f => !IsInside(f.Path)) is { } outside)
            {
                throw new HubException($"{reference.Repository} names a file {DisplayText.QuotedName(outside.Path)}, which would lie "
                    + "outside of its folder; nothing of it is fetched, do not trust it");
            }
            return new HubRepository(reference, sha.Value, files);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new HubException($"the hub's answer about {reference.Repository} is no list of files; check HF_ENDPOINT", e);
        }
    }

    private static HubFile ReadFile(JsonElement entry)
    {
        var size = entry.TryGetProperty("size", out var number) && number.TryGetInt64(out var bytes) && bytes >= 0 ? bytes : (long?)null;
        var checksum = entry.TryGetProperty("blobId", out var blob) ? HubChecksum.Of(blob.GetString()) : null;
        if (entry.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object)
        {
            // the blob of a large file is the pointer to it
            checksum = lfs.TryGetProperty("sha256", out var sha) ? HubChecksum.Of(sha.GetString()) : null;
            if (lfs.TryGetProperty("size", out var large) && large.TryGetInt64(out var length) && length >= 0) size = length;
        }
        var path = entry.GetProperty("rfilename").GetString() ?? throw new FormatException("a file without a name");
        return new HubFile(path, size, checksum);
    }

    // a published release has colons in its names, which are drives and streams on Windows alone
    private static bool IsInside(string path) =>
        !path.Any(c => c == '\\' || (c == ':' && OperatingSystem.IsWindows()) || char.IsControl(c))
        && path.Split('/').All(part => part is not ("" or "." or ".."));
}
