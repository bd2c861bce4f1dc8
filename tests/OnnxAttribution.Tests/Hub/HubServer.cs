using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Hub;

/// <summary>
/// The Hugging Face hub as a client sees it, on two ports of this machine: the hub with its lists of repositories and its
/// resolve addresses, and the CDN to which it redirects LFS files by signed addresses. Every request is kept, with the
/// bytes of files that it was answered with. It has threads of its own: tests wait for the client, and would keep those of
/// the pool from answering it.
/// </summary>
internal sealed class HubServer : IDisposable
{
    public const string Commit = "607a30d783dfa663caf39e06633721c8d4cfcd7e";

    private readonly TcpListener _hub = new(IPAddress.Loopback, 0), _cdn = new(IPAddress.Loopback, 0);
    private readonly List<ServedFile> _files = [];
    private readonly List<ServedRequest> _requests = [];
    private readonly ManualResetEventSlim _closing = new();

    public HubServer()
    {
        foreach (var listener in (TcpListener[])[_hub, _cdn])
        {
            listener.Start();
            new Thread(() => Accept(listener)) { IsBackground = true }.Start();
        }
    }

    public string Endpoint => $"{Scheme}://127.0.0.1:{((IPEndPoint)_hub.LocalEndpoint).Port}";

    /// <summary>Answers to the next requests of the hub, in place of what they ask for.</summary>
    public Queue<(string Status, string[] Header)> Instead { get; } = [];

    /// <summary>Without this token everything is refused.</summary>
    public string? Token { get; init; }

    /// <summary>Speaks https with this certificate.</summary>
    public HubCertificate? Certificate { get; init; }

    private string Scheme => Certificate is null ? "http" : "https";

    public IReadOnlyList<ServedRequest> Requests
    {
        get
        {
            lock (_requests) return [.. _requests];
        }
    }

    /// <summary>Bytes of files that went out, by both hosts.</summary>
    public long BytesSent => Requests.Sum(r => r.BytesSent);

    /// <summary>As on the hub, weights are LFS files and texts are not.</summary>
    public void Add(string repository, string path, byte[] bytes, Func<ServedFile, ServedFile>? how = null)
    {
        var file = new ServedFile(repository, path, bytes,
            path.EndsWith(".safetensors", StringComparison.Ordinal) || path.EndsWith(".pt", StringComparison.Ordinal));
        _files.Add(how?.Invoke(file) ?? file);
    }

    public void Dispose()
    {
        _closing.Set();
        _hub.Dispose();
        _cdn.Dispose();
    }

    private void Accept(TcpListener listener)
    {
        try
        {
            while (true)
            {
                var client = listener.AcceptTcpClient();
                new Thread(() => Serve(client, listener == _cdn)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException or InvalidOperationException)
        {
            // disposed
        }
    }

    private void Serve(TcpClient client, bool cdn)
    {
        using (client)
        {
            try
            {
                client.NoDelay = true;
                using var stream = Open(client);
                if (Read(stream, cdn) is not { } request) return;
                lock (_requests) _requests.Add(request);
                if (cdn) ServeCdn(stream, request);
                else ServeHub(stream, request);
            }
            catch (Exception e) when (e is IOException or AuthenticationException)
            {
                // the other end has gone
            }
        }
    }

    private Stream Open(TcpClient client)
    {
        if (Certificate is null) return client.GetStream();
        var secure = new SslStream(client.GetStream());
        secure.AuthenticateAsServer(Certificate.Certificate);
        return secure;
    }

    private static ServedRequest? Read(Stream stream, bool cdn)
    {
        var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        if (reader.ReadLine() is not { } first) return null;
        var header = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (reader.ReadLine() is { Length: > 0 } line) header[line[..line.IndexOf(':')]] = line[(line.IndexOf(':') + 1)..].Trim();
        var words = first.Split(' ');
        return new ServedRequest(cdn, words[0], words[1], header.GetValueOrDefault("Range"), header.GetValueOrDefault("Authorization"));
    }

    private void ServeHub(Stream stream, ServedRequest request)
    {
        // of a proxy the whole address is asked for
        var target = request.Target.StartsWith('/') ? request.Target : new Uri(request.Target).PathAndQuery;
        switch (target.Split('?')[0].Split('/')[1..])
        {
            case var _ when Instead.TryDequeue(out var instead):
                Answer(stream, request, instead.Status, instead.Header);
                break;
            case var _ when Token is not null && request.Authorization != $"Bearer {Token}":
                Answer(stream, request, "401 Unauthorized", ["X-Error-Code: GatedRepo"]);
                break;
            case ["api", "models", var owner, var name, "revision", var revision]:
                List(stream, request, $"{owner}/{name}", Uri.UnescapeDataString(revision));
                break;
            case ["api", "resolve-cache", "models", var owner, var name, _, .. var rest] when Find($"{owner}/{name}", rest) is { } file:
                Send(stream, request, file, EntityTags(file));
                break;
            case [var owner, var name, "resolve", Commit, .. var rest] when Find($"{owner}/{name}", rest) is { IsGone: false } file:
                Redirect(stream, request, file);
                break;
            default:
                Missing(stream, request);
                break;
        }
    }

    private void Redirect(Stream stream, ServedRequest request, ServedFile file)
    {
        string[] size = file.HasNoSize ? [] : [$"X-Linked-Size: {file.Bytes.Length}"];
        string[] header = [$"X-Repo-Commit: {Commit}", .. size, .. EntityTags(file)];
        if (file.Lfs)
        {
            Answer(stream, request, "302 Found",
                [$"Location: {Scheme}://127.0.0.1:{((IPEndPoint)_cdn.LocalEndpoint).Port}/{file.Sha256}?X-Amz-Signature=1&x-id=GetObject",
                    .. header]);
        }
        else
        {
            Answer(stream, request, "307 Temporary Redirect",
                [$"Location: /api/resolve-cache/models/{file.Repository}/{Commit}/{Uri.EscapeDataString(file.Path)}", .. header]);
        }
    }

    private void ServeCdn(Stream stream, ServedRequest request)
    {
        if (_files.Find(f => f.Lfs && request.Target.StartsWith($"/{f.Sha256}?", StringComparison.Ordinal)) is { } file)
        {
            Send(stream, request, file, [$"ETag: \"{new string('0', 32)}\""]);
        }
        else
        {
            Missing(stream, request);
        }
    }

    private ServedFile? Find(string repository, string[] path) =>
        _files.Find(f => f.Repository == repository && f.Path == Uri.UnescapeDataString(string.Join('/', path)));

    private static string[] EntityTags(ServedFile file) =>
        file.HasNoChecksum ? [] : file.Lfs ? [$"X-Linked-Etag: \"{file.Sha256}\""] : [$"ETag: \"{file.Oid}\""];

    private static void Missing(Stream stream, ServedRequest request) =>
        Answer(stream, request, "404 Not Found", ["X-Error-Code: EntryNotFound"]);

    private void List(Stream stream, ServedRequest request, string repository, string revision)
    {
        var files = _files.Where(f => f.Repository == repository).ToList();
        if (files.Count == 0 || revision is not ("main" or Commit))
        {
            Answer(stream, request, "404 Not Found", [$"X-Error-Code: {(files.Count == 0 ? "RepoNotFound" : "RevisionNotFound")}"]);
            return;
        }
        var list = new JsonObject
        {
            ["id"] = repository,
            ["sha"] = Commit,
            ["siblings"] = new JsonArray([.. files.Select(Entry)])
        };
        Answer(stream, request, "200 OK", ["Content-Type: application/json"], Encoding.UTF8.GetBytes(list.ToJsonString()));
    }

    private static JsonObject Entry(ServedFile file)
    {
        var entry = new JsonObject { ["rfilename"] = file.Path };
        if (file.IsListedByName) return entry;
        entry["size"] = file.Bytes.Length;
        if (!file.HasNoChecksum) entry["blobId"] = file.Oid;
        if (file is { Lfs: true, HasNoChecksum: false })
        {
            entry["lfs"] = new JsonObject { ["sha256"] = file.Sha256, ["size"] = file.Bytes.Length, ["pointerSize"] = 134 };
        }
        return entry;
    }

    private void Send(Stream stream, ServedRequest request, ServedFile file, string[] header)
    {
        request.File = file;
        if (file.NeverEnds)
        {
            SendWithoutEnd(stream, request, header);
            return;
        }
        var bytes = file.Sent ?? file.Bytes;
        var from = request.Range is { } range && !file.IgnoresRanges ? int.Parse(range["bytes=".Length..].TrimEnd('-')) : 0;
        if (from >= bytes.Length && from > 0)
        {
            Answer(stream, request, "416 Range Not Satisfiable", [$"Content-Range: bytes */{bytes.Length}"]);
            return;
        }
        string[] part = from > 0 ? [$"Content-Range: bytes {from}-{bytes.Length - 1}/{bytes.Length}"] : [];
        var body = bytes.AsMemory(from);
        stream.Write(Head(from > 0 ? "206 Partial Content" : "200 OK", [.. header, .. part], body.Length));
        // the connection is closed before the length that was promised
        if (file.Drops.TryDequeue(out var drop)) body = body[..drop];
        if (file.StallAfter is { } stall) body = body[..stall];
        request.BytesSent = body.Length;
        stream.Write(body.Span);
        if (file.StallAfter is not null) _closing.Wait();
    }

    private static void SendWithoutEnd(Stream stream, ServedRequest request, string[] header)
    {
        stream.Write(
            Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\n{string.Concat(header.Select(h => h + "\r\n"))}Connection: close\r\n\r\n"));
        // until the other end goes; a gigabyte is without end for these files
        var piece = new byte[1 << 16];
        for (; request.BytesSent < 1 << 30; request.BytesSent += piece.Length) stream.Write(piece);
    }

    private static void Answer(Stream stream, ServedRequest request, string status, string[] header, byte[]? body = null)
    {
        body ??= Encoding.ASCII.GetBytes(status);
        stream.Write(Head(status, header, body.Length));
        stream.Write(body);
    }

    private static byte[] Head(string status, string[] header, int length) =>
        Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\n{string.Concat(header.Select(h => h + "\r\n"))}Content-Length: {length}\r\nConnection: close\r\n\r\n");
}
