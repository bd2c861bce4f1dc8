using OnnxAttribution.Attribution;
using OnnxAttribution.Clusters;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>
/// Prompts in clusters. 1. Every prompt is a vector: its graph's kept features, summed over positions, or what a site has of it.
/// 2. Clusters are found by cosine. 3. Each is told by its typical and odd prompts and, of graphs, its strongest nodes. 4. Labels, where
/// prompts have them, say how well the clusters agree with them.
/// </summary>
internal sealed class ClusterRun
{
    private readonly IReadOnlyList<PromptTask> _tasks;
    private readonly IReadOnlyList<int> _lines;

    private ClusterRun(Clustering found, IReadOnlyList<PromptTask> tasks, IReadOnlyList<int> lines)
    {
        (Found, _tasks, _lines) = (found, tasks, lines);
        Clusters = [.. Enumerable.Range(0, found.Count).Select(Cluster)];
        var labelled = Enumerable.Range(0, tasks.Count).Where(i => tasks[i].Label is not null).ToList();
        Labels = labelled.Select(i => tasks[i].Label).Distinct().Count();
        if (Labels > 1) Agreement = AgreementOver(labelled);
    }

    /// <summary>The clusters of the prompts that have one.</summary>
    public Clustering Found { get; }

    /// <summary>A row a cluster, the largest first.</summary>
    public IReadOnlyList<ClusterRow> Clusters { get; }

    /// <summary>Each cluster's strongest nodes; empty where prompts are known by a site.</summary>
    public IReadOnlyList<ClusterNodeRow> Nodes { get; private init; } = [];

    /// <summary>Prompts without a vector, which are in no cluster.</summary>
    public IReadOnlyList<(int Line, PromptTask Task)> LeftOut { get; private init; } = [];

    /// <summary>How many labels the prompts have.</summary>
    public int Labels { get; }

    /// <summary>How well clusters agree with labels (<see cref="AdjustedRand"/>); null where there are not two labels.</summary>
    public double? Agreement { get; }

    /// <summary>How many prompts are in a cluster.</summary>
    public int Prompts => _tasks.Count;

    /// <summary>The mean silhouette.</summary>
    public double Silhouette => Found.Silhouette.Average();

    /// <summary>What prompts were compared at.</summary>
    public required ClusteredAt Asked { get; init; }

    /// <summary>Clusters of a dataset's graphs.</summary>
    /// <exception cref="ClusterException">There are too few prompts, or too many for what was asked.</exception>
    /// <exception cref="RunDirectoryException">A file of the dataset is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ClusterRun OfGraphs(string dataset, ClusterRequest request, IProgress<string>? progress, CancellationToken cancel)
    {
        var vectors = DatasetVectors.Read(dataset, (request.WithEdges, request.Threads), progress, cancel);
        var (found, of) = (Find(vectors.Rows, request, progress, cancel), DatasetDirectory.Read(dataset).Record);
        return new ClusterRun(found, [.. vectors.Prompts.Select(TaskOf)], [.. vectors.Prompts.Select(p => p.Line)])
        {
            Asked = new(null, of.Metric, of.Position, of.PrependBos),
            Nodes = ClusterNodes.Of(vectors, found, request.Top),
            LeftOut = [.. vectors.Empty.Select(p => (p.Line, TaskOf(p)))],
        };
    }

    /// <summary>Clusters of prompts by what a site has of them.</summary>
    /// <param name="model">Opened at that site alone.</param>
    /// <inheritdoc cref="OfGraphs" path="/exception"/>
    /// <exception cref="PromptException">A prompt cannot be used.</exception>
    public static ClusterRun OfSite(LoadedModel model, IReadOnlyList<SitePrompt> prompts, SiteVectorRequest asked,
        ClusterRequest request, IProgress<string>? progress)
    {
        var vectors = SiteVectors.Find(model, model.Selected[0], prompts, asked, progress);
        var (rows, kept) = (new UnitVectors(), new List<int>());
        foreach (var (i, vector) in vectors.Index())
        {
            if (Array.TrueForAll(vector, x => x == 0)) continue;
            rows.Add(vector);
            kept.Add(i);
        }
        var found = Find(rows, request, progress, model.Context.Cancel);
        return new ClusterRun(found, [.. kept.Select(i => prompts[i].Again(model.Tokenizer))], [.. kept.Select(i => prompts[i].Line)])
        {
            Asked = new(model.Selected[0].Name, asked.Gradients ? Metric.NameOf(asked.Metric.Kind) : null, asked.Metric.Position,
                asked.PrependBos ?? model.PrependsBos),
            LeftOut = [.. Enumerable.Range(0, prompts.Count).Except(kept).Select(i => (prompts[i].Line, prompts[i].Task))],
        };
    }

    /// <summary>A dataset's prompts that have a graph, about the tokens that the graphs are about.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static IReadOnlyList<SitePrompt> PromptsOf(string dataset, CancellationToken cancel) =>
    [
        .. DatasetVectors.PromptsOf(dataset, cancel)
            .Select(row => new SitePrompt(row.Line, TaskOf(row)) { Target = row.TargetId, Foil = row.FoilId }),
    ];

    /// <summary>A row a prompt, those without a cluster last.</summary>
    public IReadOnlyList<MemberRow> Members() =>
    [
        .. _tasks.Select((task, i) => new MemberRow(task.Id!, _lines[i], Found.Labels[i] + 1)
        {
            Silhouette = Found.Silhouette[i],
            Similarity = Found.Similarity[i],
            Nearest = Found.Nearest[i] < 0 ? null : Found.Nearest[i] + 1,
            Label = task.Label,
            Prompt = task.Prompt,
        }),
        .. LeftOut.Select(p => new MemberRow(p.Task.Id!, p.Line, null) { Label = p.Task.Label, Prompt = p.Task.Prompt }),
    ];

    /// <summary>The prompts of a cluster as a file that <c>graph --prompts</c> takes.</summary>
    /// <param name="cluster">From 1.</param>
    public string PromptLines(int cluster) => PromptFile.Lines(_tasks.Where((_, i) => Found.Labels[i] == cluster - 1));

    private ClusterRow Cluster(int cluster)
    {
        var members = Enumerable.Range(0, _tasks.Count).Where(i => Found.Labels[i] == cluster).ToList();
        var (typical, odd) = (members.MaxBy(i => Found.Similarity[i]), members.MinBy(i => Found.Silhouette[i]));
        var label = members.Select(i => _tasks[i].Label).OfType<string>().CountBy(l => l).OrderByDescending(l => l.Value).FirstOrDefault();
        return new ClusterRow(cluster + 1, members.Count, members.Average(i => Found.Silhouette[i]),
            members.Average(i => Found.Similarity[i]), _tasks[typical].Id!, _tasks[odd].Id!)
        {
            TypicalPrompt = _tasks[typical].Prompt,
            OddPrompt = _tasks[odd].Prompt,
            Label = label.Key,
            LabelShare = label.Key is null ? double.NaN : (double)label.Value / members.Count,
        };
    }

    private static Clustering Find(UnitVectors rows, ClusterRequest request, IProgress<string>? progress, CancellationToken cancel)
    {
        if (rows.Count < 2)
        {
            throw new ClusterException($"there {(rows.Count == 1 ? "is 1 prompt" : "are 0 prompts")} with something to compare, and "
                + "clusters need 2 at least; draw more prompts");
        }
        if (rows.Count < request.Least)
        {
            throw new ClusterException($"there are {rows.Count} prompts with something to compare, and {request.Least} clusters need "
                + "as many at least; ask for fewer clusters, or draw more prompts")
            {
                Settings = [Setting.Clusters]
            };
        }
        var most = Math.Min(request.Most, request.Least == request.Most ? request.Most : Math.Max(request.Least, rows.Count - 1));
        var bytes = ClusterSums.Bytes(rows, most);
        if (bytes > request.MemoryBytes || bytes / sizeof(float) > Array.MaxLength)
        {
            throw new ClusterException($"{most} clusters' sums of {rows.Width:N0} kinds of nodes and edges take {bytes >> 20} MiB, more "
                + $"than {request.MemoryBytes >> 20} MiB; ask for fewer clusters, give it more memory, or leave edges out")
            {
                Settings = [Setting.Clusters, Setting.Memory]
            };
        }
        return ClusterFinder.Find(rows, (request.Least, most), request.Method,
            new KMeansOptions(request.Restarts, request.Seed, request.Threads, cancel) { MemoryBytes = request.MemoryBytes }, progress);
    }

    private double AgreementOver(List<int> labelled) => AdjustedRand.Index((IReadOnlyList<int>)[.. labelled.Select(i => Found.Labels[i])],
        (IReadOnlyList<string>)[.. labelled.Select(i => _tasks[i].Label!)]);

    // a token without a text of its own cannot be asked for: the model's own was the target then, and is without one again
    private static PromptTask TaskOf(PromptRow row)
    {
        string? Text(string? shown, int? id) => shown is not null && Tokenizer.IsText(shown, id) ? shown : null;
        return new(row.Prompt!, Text(row.Target, row.TargetId), Text(row.Foil, row.FoilId), row.PatchPrompt, row.Run) { Label = row.Label };
    }
}

/// <summary>What prompts were compared at.</summary>
/// <param name="Site">Hook name; null: their graphs were compared.</param>
/// <param name="Metric">By its name; null: none was asked about.</param>
/// <param name="Position">From 0, BOS counted; null: the last.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
internal sealed record ClusteredAt(string? Site, string? Metric, int? Position, bool? PrependBos);
