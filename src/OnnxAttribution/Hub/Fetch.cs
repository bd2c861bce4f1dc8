using System.Diagnostics;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

// 1. each repository is listed at one commit: sizes and checksums of its files
// 2. of each the files that are needed are chosen, and compared with what is there
// 3. the disk's room is asked for
// 4. fetch.json says which commits these are
// 5. what is missing is fetched, one file after the other, checked and given its name

/// <summary>Fetches a model and dictionaries from the hub into a folder that <c>export</c> takes.</summary>
internal sealed class Fetch
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly FetchRequest _request;
    private readonly HubClient _client;
    private readonly Action<FetchProgress> _progress;
    private readonly Action<FetchedFile> _fetched;
    private readonly HubRetry _retry;
    private readonly List<Item> _items = [];

    private Fetch(FetchRequest request, HubClient client, FetchWatch watch)
    {
        (_request, _client, _progress, _fetched) = (request, client, watch.Progress, watch.Fetched);
        _retry = new HubRetry(client.Options, watch.Say);
    }

    private sealed record Item(HubRepository Repository, HubFile File, string Place)
    {
        public long Had { get; init; }
        public bool IsThere { get; init; }

        public FetchedFile Listed => new(Place, Repository.Reference.Repository, File.Size, Had, IsThere);
    }

    /// <param name="client">Stays the caller's.</param>
    /// <exception cref="HubException">Something cannot be fetched: whole files stay, and the next call goes on.</exception>
    public static async Task<FetchResult> RunAsync(FetchRequest request, HubClient client, FetchWatch watch, CancellationToken cancel)
    {
        var plan = FetchPlan.Of(request);
        var fetch = new Fetch(request, client, watch);
        var record = FetchRecord.Read(request.Out);
        var repositories = await fetch.ListAsync(plan, record, cancel);
        var result = new FetchResult([.. fetch._items.Select(i => i.Listed)], repositories) { Notes = plan.Notes };
        if (request.Mode == FetchMode.List) return result;
        if (request.Mode == FetchMode.Verify) fetch.Verify(cancel);
        fetch.RequireRoom();
        using var turn = fetch.Turn(cancel);
        record.With(repositories).Write(request.Out, cancel);
        return result with { Files = await fetch.GetAsync(cancel) };
    }

    private async Task<List<FetchRecord.Repository>> ListAsync(FetchPlan plan, FetchRecord record, CancellationToken cancel)
    {
        var repositories = new List<FetchRecord.Repository>();
        var listed = new Dictionary<HubReference, HubRepository>();
        foreach (var part in plan.Parts)
        {
            var before = record.Repositories.FirstOrDefault(r => r.Name == part.Reference.Repository && r.Folder == part.Folder);
            var reference = part.Reference with { Revision = part.Reference.Revision ?? before?.Commit };
            if (!listed.TryGetValue(reference, out var repository))
            {
                _progress(new FetchProgress($"asking for {reference.Repository}", 0, 0, double.NaN));
                listed[reference] = repository = await HubRepository.ListAsync(_client, _retry, reference, cancel);
            }
            var chosen = part.Choose(repository);
            foreach (var file in chosen) _items.Add(Seen(new Item(repository, file, Placed(part, file))));
            var revision = part.Reference.Revision ?? before?.Revision ?? part.Reference.RevisionOrDefault;
            repositories.Add(new FetchRecord.Repository(part.Reference.Repository, revision, repository.Commit, part.Release, part.Folder,
                [.. chosen.Select(f => new FetchRecord.RecordedFile(f.Path, f.Size, f.Checksum?.Value))]));
        }
        return repositories;
    }

    private static string Placed(FetchPlan.Part part, HubFile file) => part.Folder.Length == 0 ? file.Path : $"{part.Folder}/{file.Path}";

    private string PathOf(Item item) => Path.Combine(_request.Out, item.Place);

    private Item Seen(Item item)
    {
        var path = PathOf(item);
        if (!File.Exists(path)) return item with { Had = Download.Had(path) };
        var bytes = new FileInfo(path).Length;
        if (item.File.Size is { } size && bytes != size)
        {
            throw new HubException($"{path} is there with {bytes:N0} bytes, where {item.Repository.Reference.Repository} has {size:N0} at "
                + $"{item.Repository.Commit}; remove it, or choose another folder") { Settings = [Setting.Out] };
        }
        return item with { Had = bytes, IsThere = true };
    }

    private void Verify(CancellationToken cancel)
    {
        foreach (var item in _items.Where(i => i is { IsThere: true, File.Checksum: not null }))
        {
            _progress(new FetchProgress($"checking {item.Place}", 0, 0, double.NaN));
            var (wanted, found) = (item.File.Checksum!, item.File.Checksum!.Measured(PathOf(item), cancel));
            if (found == wanted) continue;
            throw new HubException($"{PathOf(item)} has the {wanted.Kind} {found.Value}, where {item.Repository.Reference.Repository} has "
                + $"{wanted.Value} at {item.Repository.Commit}; remove it, and run the same command again");
        }
    }

    private void RequireRoom()
    {
        var needed = _items.Where(i => !i.IsThere).Sum(i => Math.Max(0, (i.File.Size ?? 0) - i.Had));
        var existing = Path.GetFullPath(_request.Out);
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } above) existing = above;
        var room = _client.Options.RoomIn(existing);
        if (needed <= room) return;
        throw new HubException($"{_request.Out} has room for {room:N0} bytes, and {needed:N0} are to be fetched; make room, "
            + "choose another folder, or fewer sites and layers") { Settings = [Setting.Out, Setting.Sites, Setting.Layers] };
    }

    // of two calls for one folder the second would write into what the first has begun
    private AsideName Turn(CancellationToken cancel)
    {
        try
        {
            Directory.CreateDirectory(_request.Out);
            return AsideName.ClaimAlone(Path.Combine(Path.GetFullPath(_request.Out), "fetch"), s_patience, cancel);
        }
        catch (TimeoutException e)
        {
            throw new HubException($"another program fetches into {_request.Out}; wait for it, or choose another folder", e)
            {
                Settings = [Setting.Out]
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new HubException($"{_request.Out} cannot be written: {FileFault.Words(e, "check the path")}", e)
            {
                Settings = [Setting.Out]
            };
        }
    }

    private async Task<IReadOnlyList<FetchedFile>> GetAsync(CancellationToken cancel)
    {
        var (total, done) = (_items.Sum(i => i.File.Size ?? i.Had), _items.Where(i => i.IsThere).Sum(i => i.Had));
        var speed = new FetchSpeed();
        var files = new List<FetchedFile>();
        foreach (var item in _items)
        {
            var file = item.Listed;
            if (!item.IsThere)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(PathOf(item))!);
                var (before, had) = (done, item.Had);
                var download = new Download(_client, _retry, came =>
                {
                    speed.Add(Math.Max(0, came - had));
                    had = came;
                    _progress(new FetchProgress(item.Place, before + came, total, speed.PerSecond));
                });
                file = file with { CheckedBy = (await download.RunAsync(item.Repository, item.File, PathOf(item), cancel))?.Kind };
                var bytes = new FileInfo(PathOf(item)).Length;
                done += bytes;
                _fetched(file = file with { Size = bytes });
            }
            files.Add(file);
        }
        return files;
    }
}

/// <summary>Who watches a fetching.</summary>
/// <param name="Fetched">Told of each file that came whole.</param>
/// <param name="Say">Told of waiting, a line each time.</param>
internal sealed record FetchWatch(Action<FetchProgress> Progress, Action<FetchedFile> Fetched, Action<string> Say);

/// <summary>Bytes per second, over the last seconds.</summary>
internal sealed class FetchSpeed
{
    private const double Window = 10;

    private readonly Queue<(long Time, long Bytes)> _seen = new([(Stopwatch.GetTimestamp(), 0)]);
    private long _came;

    /// <summary>NaN before it can be told.</summary>
    public double PerSecond { get; private set; } = double.NaN;

    /// <param name="bytes">That came since the last call.</param>
    public void Add(long bytes)
    {
        var now = Stopwatch.GetTimestamp();
        _seen.Enqueue((now, _came += bytes));
        while (_seen.Count > 2 && Stopwatch.GetElapsedTime(_seen.Peek().Time, now).TotalSeconds > Window) _seen.Dequeue();
        var (time, first) = _seen.Peek();
        var seconds = Stopwatch.GetElapsedTime(time, now).TotalSeconds;
        PerSecond = seconds > 0 && _came > first ? (_came - first) / seconds : double.NaN;
    }
}
