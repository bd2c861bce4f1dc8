using System.Net;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>
/// Fetches one file. It grows as <c>NAME.part</c>, is taken up where a connection dropped or a run ended, and gets its name when it has
/// its size and its checksum: a file without <c>.part</c> is whole.
/// </summary>
/// <param name="came">Told how many bytes of the file are there.</param>
internal sealed class Download(HubClient client, HubRetry retry, Action<long> came)
{
    private HubChecksum? _checksum;
    private long? _size;

    public static string PartOf(string place) => place + ".part";

    /// <summary>Bytes of a file that are there in part.</summary>
    public static long Had(string place) => LengthOf(PartOf(place));

    /// <param name="place">Where the file is to lie; its directory is there.</param>
    /// <returns>What it was checked by; null: the hub gives no checksum.</returns>
    /// <exception cref="HubException">It cannot be had, or is not what the hub says it is; what came of that is removed.</exception>
    public async Task<HubChecksum?> RunAsync(HubRepository repository, HubFile file, string place, CancellationToken cancel)
    {
        var part = PartOf(place);
        if (RegularFile.ProblemOfPlace(part) is { } problem) throw new HubException($"{part} cannot be written: {problem}");
        if (new FileInfo(part).LinkTarget is not null) throw new HubException($"{part} is a link, which is not followed; remove it");
        (_checksum, _size) = (file.Checksum, file.Size);
        try
        {
            await retry.RunAsync($"{file.Path} of {repository.Reference.Repository}",
                () => OnceAsync(repository, file, part, cancel), () => LengthOf(part), cancel);
            Check(repository, file, place, cancel);
            FileStep.Rename(part, place);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException($"{part} cannot be written: {FileFault.Words(e, "check the path")}; what came stays, and the same "
                + "command goes on there", e);
        }
        return _checksum;
    }

    private async Task<bool> OnceAsync(HubRepository repository, HubFile file, string part, CancellationToken cancel)
    {
        var have = LengthOf(part);
        if (have > _size) have = Restart(part);   // longer than the file: no beginning of it
        if (have == _size)
        {
            if (have == 0) File.WriteAllBytes(part, []);
            return true;
        }
        using var answer = await client.GetAsync(repository.AddressOf(client, file), have, cancel);
        have = BeginningOf(repository, file, answer, have, part);
        _checksum ??= answer.Checksum;
        _size ??= answer.LinkedSize ?? (answer.Response.Content.Headers.ContentLength is { } rest ? have + rest : null);
        // where no size is told, a tenth of the disk stays free
        var most = _size ?? have + client.Options.RoomIn(Path.GetDirectoryName(Path.GetFullPath(part))!) / 10 * 9;
        using (var stream = RegularFile.OpenToGoOn(part, have))
        {
            await HubBody.CopyAsync(client.Options, answer, cancel, bytes =>
            {
                if (stream.Position + bytes.Length > most) throw WithoutEnd(repository, file, stream);
                stream.Write(bytes.Span);
                came(stream.Position);
            });
            have = stream.Position;
        }
        return have >= _size || _size is null ? true
            : throw new HubPauseException($"the connection to {HubClient.Origin(answer.From)} ended at {have:N0} of {_size:N0} bytes");
    }

    // where the bytes of an answer begin
    private long BeginningOf(HubRepository repository, HubFile file, HubAnswer answer, long have, string part)
    {
        switch (answer.Status)
        {
            case HttpStatusCode.OK:
                return 0;   // the server sends whole files only
            case HttpStatusCode.PartialContent when answer.Response.Content.Headers.ContentRange?.From == have:
                return have;
            case HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable:
                Restart(part);
                throw new HubPauseException($"{HubClient.Origin(answer.From)} has another part than was asked for");
            case HttpStatusCode.Forbidden when !client.Options.IsHub(answer.From):
                throw new HubPauseException($"{HubClient.Origin(answer.From)} refuses an address that the hub gave");   // it has expired
            case HttpStatusCode.NotFound when client.Options.IsHub(answer.From):
                throw new HubException($"{repository.Reference.Repository} lists {file.Path} at {repository.Commit} and does not have it "
                    + "(HTTP status 404); give another revision, or check HF_ENDPOINT");
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden when client.Options.IsHub(answer.From):
                throw HubRepository.Refused(client.Options, repository.Reference, answer);
            default:
                throw new HubException($"{file.Path} of {repository.Reference.Repository} cannot be fetched: "
                    + $"{HubClient.Origin(answer.From)} answers with HTTP status {(int)answer.Status}");
        }
    }

    private HubException WithoutEnd(HubRepository repository, HubFile file, FileStream stream)
    {
        stream.Dispose();
        Restart(stream.Name);
        return new HubException($"{file.Path} of {repository.Reference.Repository} does not end where it should: "
            + (_size is { } size ? $"more than its {size:N0} bytes came" : "its size is not told, and the disk was filling up")
            + "; what came is removed, check HF_ENDPOINT");
    }

    private void Check(HubRepository repository, HubFile file, string place, CancellationToken cancel)
    {
        if (_checksum is null || _checksum.Measured(PartOf(place), cancel) is var found && found == _checksum) return;
        Restart(PartOf(place));
        throw new HubException($"{file.Path} of {repository.Reference.Repository}: {_checksum.Kind} {_checksum.Value} expected, "
            + $"{found.Value} found; what came is removed, whole files are kept: run the same command again, and if it comes again "
            + "check HF_ENDPOINT");
    }

    private static long LengthOf(string part) => new FileInfo(part) is { Exists: true, Length: var bytes } ? bytes : 0;

    private static long Restart(string part)
    {
        File.Delete(part);
        return 0;
    }
}
