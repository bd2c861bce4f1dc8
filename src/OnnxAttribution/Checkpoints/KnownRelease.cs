using System.Globalization;

namespace OnnxAttribution.Checkpoints;

/// <summary>A published set of dictionaries of <see cref="ReleaseTable"/>, one by one.</summary>
internal sealed class KnownRelease
{
    private readonly ReleaseTable.Release _entry;

    private KnownRelease(ReleaseTable.Release entry)
    {
        _entry = entry;
        Dictionaries = [.. entry.Sets.SelectMany(Expanded)];
    }

    /// <summary>In the table's order.</summary>
    public static IReadOnlyList<KnownRelease> All { get; } = [.. ReleaseTable.Known.Releases.Select(r => new KnownRelease(r))];

    public string Name => _entry.Name;

    public IReadOnlyList<string> Aliases => _entry.Aliases ?? [];

    /// <summary>Repository of the model.</summary>
    public string Model => _entry.Model;

    /// <summary>Which of the repository's dictionaries these are; null: all.</summary>
    public string? Choice => _entry.Choice;

    public bool HasTranscoders => _entry.Transcoders;

    /// <summary>Where its facts were read, as the table names it.</summary>
    public string SourceName => _entry.Source;

    public IReadOnlyList<ReleasedDictionary> Dictionaries { get; }

    /// <summary>The release of a name, or those that share a shorter one; empty: none is known.</summary>
    public static IReadOnlyList<KnownRelease> Named(string name) => All.FirstOrDefault(r => r.Name == name) is { } release ? [release]
        : [.. All.Where(r => r.Aliases.Contains(name))];

    /// <summary>The repository of a model by one of its names; the name itself where it is none of the table's.</summary>
    public static string ModelNamed(string name) => ReleaseTable.Known.Models.GetValueOrDefault(name, name);

    private IEnumerable<ReleasedDictionary> Expanded(ReleaseTable.Set set)
    {
        foreach (var (index, layer) in set.Blocks.Index())
        {
            string At(string text) => text.Replace("{layer}", layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            yield return new ReleasedDictionary(Name, set.Repository, At(set.Hook), layer, set.Paths?[index] ?? At(set.Path!))
            {
                NeuronpediaId = set.NeuronpediaIds?[index] ?? (set.Neuronpedia is { } id ? At(id) : null),
                NormScalingFactor = set.Factors?[index],
                PrependBos = _entry.PrependBos,
            };
        }
    }
}

/// <summary>One dictionary of a release.</summary>
/// <param name="Path">Its folder, or its file of weights, in the repository.</param>
internal sealed record ReleasedDictionary(string Release, string Repository, string Hook, int Layer, string Path)
{
    /// <summary>Model and source, as <c>gpt2-small/3-res-jb</c>; null: it is not there.</summary>
    public string? NeuronpediaId { get; init; }

    public double? NormScalingFactor { get; init; }

    /// <summary>null: its files say so.</summary>
    public bool? PrependBos { get; init; }
}
