using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>Which repositories a request is about, and which files of them go where.</summary>
internal sealed class FetchPlan
{
    private const string DictionaryFolder = "dictionaries";

    private readonly FetchRequest _request;
    private readonly List<Part> _parts = [];

    private FetchPlan(FetchRequest request) => _request = request;

    /// <summary>In the order of fetching.</summary>
    public IReadOnlyList<Part> Parts => _parts;

    /// <summary>Remarks, a line each.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>A repository's share of the plan.</summary>
    /// <param name="Folder">Where its files go, relative to the folder; empty: there.</param>
    /// <param name="Release">Whose dictionaries they are; null: of none, or the model's files.</param>
    /// <param name="Choose">The files that are needed, once the repository's list is there.</param>
    internal sealed record Part(HubReference Reference, string Folder, string? Release,
        Func<HubRepository, IReadOnlyList<HubFile>> Choose);

    /// <summary>Reads the request's names. Nothing is asked of the hub.</summary>
    /// <exception cref="HubException">One of them is unknown, or leaves nothing to fetch.</exception>
    public static FetchPlan Of(FetchRequest request)
    {
        var plan = new FetchPlan(request);
        var (name, revision) = HubReference.Cut(request.Model);
        var model = HubReference.Parse(KnownRelease.ModelNamed(name)) with { Revision = revision };
        plan._parts.Add(new Part(model, "", null, NeededFiles.OfModel));
        foreach (var dictionaries in request.Dictionaries.Distinct()) plan.Add(dictionaries, model);
        return plan;
    }

    private void Add(string dictionaries, HubReference model)
    {
        if (dictionaries.StartsWith(HubReference.Prefix, StringComparison.Ordinal))
        {
            AddRepository(HubReference.Parse(dictionaries));
            return;
        }
        var (name, revision) = HubReference.Cut(dictionaries);
        var releases = KnownRelease.Named(name);
        if (releases.Count == 0) throw Unknown(name);
        var chosen = releases.Select(r => (Release: r, Dictionaries: r.Dictionaries.Where(d => IsWanted(d, r)).ToList()))
            .Where(r => r.Dictionaries.Count > 0).ToList();
        if (chosen.Count == 0) throw NothingLeft(name, releases);
        if (releases[0].Model != model.Repository)
        {
            Notes.Add($"{name} was trained on {releases[0].Model}, and the model is {model.Repository}; "
                + "its features are those of the former");
        }
        foreach (var (release, some) in chosen) Add(release.Name, revision, some);
    }

    private void Add(string release, string? revision, List<ReleasedDictionary> dictionaries)
    {
        foreach (var set in dictionaries.GroupBy(d => d.Repository))
        {
            var reference = new HubReference(set.Key, revision);
            var paths = set.Select(d => d.Path).Distinct().ToList();
            _parts.Add(new Part(reference, $"{DictionaryFolder}/{release}/{reference.Name}", release,
                repository => [.. paths.SelectMany(p => NeededFiles.OfDictionary(repository, p)).Distinct()]));
        }
    }

    private void AddRepository(HubReference reference)
    {
        if (_request.Sites.Count > 0)
        {
            throw new HubException($"which sites the dictionaries of {reference.Repository} are for stands in their files, so that no "
                + "kind of sites can be chosen before they are fetched") { Settings = [Setting.Sites] };
        }
        _parts.Add(new Part(reference, $"{DictionaryFolder}/{reference.Name}", null, repository =>
            NeededFiles.OfDictionaries(repository, _request.Layers) is { Count: > 0 } files ? files
                : throw new HubException($"{reference.Repository} has no file that a dictionary could be in")));
    }

    private bool IsWanted(ReleasedDictionary dictionary, KnownRelease release) =>
        (_request.Layers is null || _request.Layers.Contains(dictionary.Layer))
        && (_request.Sites.Count == 0 || _request.Sites.Any(kind => Kinds(dictionary, release).Contains(kind)));

    // resid_pre as the hook is named, resid as the kind of site is, transcoder as the dictionary is
    private static string[] Kinds(ReleasedDictionary dictionary, KnownRelease release)
    {
        var hook = dictionary.Hook[(dictionary.Hook.LastIndexOf('.') + 1)..];
        var kind = Site.Parse(dictionary.Hook).KindName;
        return release.HasTranscoders ? ["transcoder", kind, hook[5..]] : [kind, hook, hook[5..]];
    }

    private static HubException Unknown(string name) =>
        new($"there is no release {DisplayText.QuotedName(name)} of dictionaries. Did you mean "
            + $"'{SpellCheck.Among(KnownRelease.All.SelectMany(r => r.Aliases.Prepend(r.Name)), name)}'? "
            + "docs/reference/releases.md lists them; hf:OWNER/NAME fetches any repository") { Settings = [Setting.Dictionaries] };

    private static HubException NothingLeft(string name, IReadOnlyList<KnownRelease> releases)
    {
        var has = releases.SelectMany(r => r.Dictionaries.Select(d => (Kind: Kinds(d, r)[^1], d.Layer)))
            .GroupBy(d => d.Kind)
            .Select(g => $"{g.Key} {g.Min(d => d.Layer)}-{g.Max(d => d.Layer)}");
        return new HubException($"{name} has no dictionary of these sites and layers; it has {string.Join(", ", has)}")
        {
            Settings = [Setting.Sites, Setting.Layers]
        };
    }
}
