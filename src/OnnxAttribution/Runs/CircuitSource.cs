using System.Globalization;
using System.Text;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Circuits;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Where a circuit comes from: a run directory, a nodes.parquet, a subgraph.json or graph JSON with pins, a text file,
/// or the short text itself.</summary>
internal sealed partial class CircuitSource
{
    private readonly string _text;
    private readonly IReadOnlyList<(string Site, int Position, int Feature, float Effect, bool Kept)>? _nodes;
    private readonly string? _runPath;

    private CircuitSource(string text, IReadOnlyList<(string Site, int Position, int Feature, float Effect, bool Kept)>? nodes,
        RunRecord? run, string? path, string? runPath = null) =>
        (_text, _nodes, Run, Path, _runPath) = (text, nodes, run, path, runPath);

    /// <summary>run.json of the run that the nodes are of; null where there is none.</summary>
    public RunRecord? Run { get; }

    /// <summary>The run directory or the file; null for a short text.</summary>
    public string? Path { get; }

    /// <summary>What a subgraph.json or graph JSON holds; null: it is none.</summary>
    public Subgraph? Subgraph { get; private init; }

    /// <summary>Whether nodes were listed one by one, error nodes too: of a run all are taken, and its errors stay.</summary>
    public bool ListsErrors => _nodes is null || Subgraph is not null;

    /// <summary>The directory of <see cref="Run"/>.</summary>
    public string RunPath => _runPath ?? (System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path!)) is var full
        && File.Exists(full) ? System.IO.Path.GetDirectoryName(full)! : full);   // its nodes.parquet

    /// <summary>The metric of the run; null where no run says so.</summary>
    /// <exception cref="RunDirectoryException">It is none that there is.</exception>
    public MetricKind? Metric => Run is null ? null : RecordedValues.MetricOf(RunPath, Run);

    /// <summary>Where the run's model was.</summary>
    /// <exception cref="CircuitException">It is not there any more, or the run does not say.</exception>
    public string ModelPath =>
        Run?.ModelPath is { } path && BundlePath.Of(RunPath, path) is var place && Directory.Exists(place) ? place
            : throw new CircuitException($"{Path} was made with {Run?.ModelPath ?? "a model that it does not name"}, "
                + "which is not there; name where the bundle is now")
            {
                Settings = [Setting.Model]
            };

    /// <param name="given">A path, a run directory with a separate circuit's number such as <c>runs/copyright#2</c>, or a text such as
    /// <c>3:953;4:7780,312</c>.</param>
    /// <exception cref="RunDirectoryException">The run or file is missing a part, or damaged.</exception>
    /// <exception cref="SubgraphException">It is JSON, and no subgraph.</exception>
    /// <exception cref="CircuitException">It is neither a file nor looks like a circuit.</exception>
    public static CircuitSource Open(string given, CancellationToken cancel = default)
    {
        if (OfSeparate(given, cancel) is { } separate) return separate;
        if (Directory.Exists(given)) return OfRun(given, cancel);
        if (!File.Exists(given))
        {
            // a circuit in short has a colon in every piece; a path that was misspelt seldom has one
            return FeatureName.Today(given).Contains(':') || string.IsNullOrWhiteSpace(given) ? new CircuitSource(given, null, null, null)
                : throw new CircuitException($"there is no file '{given}', and it is no circuit; "
                    + $"give a run directory, a nodes.parquet, or site:features, such as 3:953;4:7780,312{FeatureName.OfPage(given)}");
        }
        if (!IsParquet(given))
        {
            var text = Text(given);
            return text.TrimStart().StartsWith('{') ? OfSubgraph(given, cancel) : new CircuitSource(text, null, null, given);
        }
        var beside = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(given))!, RunNames.RecordFile);
        return new CircuitSource("", Nodes(given, cancel), File.Exists(beside) ? RunFile.Read(beside).Record : null, given);
    }

    /// <summary>Features that are set to values.</summary>
    /// <param name="text">Such as <c>3:953=12@5;4:7780=0</c>.</param>
    /// <exception cref="CircuitException">A feature has no value.</exception>
    public static CircuitSource OfValues(string text) =>
        text.Split(';', ',').Select(p => p.Trim()).FirstOrDefault(p => p.Length > 0 && !p.Contains('=')) is { } bare
            ? throw new CircuitException($"'{DisplayText.OneLine(bare)}' has no value to set it to; write site:feature=value, "
                + "such as 3:953=12@5")
            : new CircuitSource(text, null, null, null);

    /// <summary>A finished run's nodes.</summary>
    /// <exception cref="RunDirectoryException">It is no finished run, or damaged.</exception>
    public static CircuitSource OfRun(string directory, CancellationToken cancel = default)
    {
        var run = MergedRun.Locate(directory);
        var record = RunDirectory.ReadRecord(run);
        return new CircuitSource("", Nodes(System.IO.Path.Combine(run, RunNames.NodesFile), cancel), record, run);
    }

    // RUN#2, where RUN is a directory and the whole is nothing that is there; null: the text is not of that kind
    private static CircuitSource? OfSeparate(string given, CancellationToken cancel)
    {
        var mark = given.LastIndexOf('#');
        if (mark <= 0 || File.Exists(given) || Directory.Exists(given) || !Directory.Exists(given[..mark])
            || !int.TryParse(given[(mark + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return null;
        }
        var run = MergedRun.Locate(given[..mark]);
        var stored = RunDirectory.Read(run, cancel);
        var circuits = SeparateCircuits.Of(stored.Nodes.Count, stored.Edges.Span);
        RunDirectoryException.RequireCircuit(run, number, circuits);
        return new CircuitSource("", [.. stored.Nodes.Where((_, i) => circuits[i] == number)
            .Select(n => (n.Site, n.Position, n.Feature, n.Effect, n.Kept))], stored.Record, run);
    }

    /// <summary>Opens a model for the circuit.</summary>
    /// <param name="directory">The bundle's.</param>
    /// <param name="sites">null: those of the run, or all that have a dictionary.</param>
    /// <exception cref="CircuitException">The run was made with another model.</exception>
    /// <exception cref="RunDirectoryException">run.json names a site that the model has not.</exception>
    public LoadedModel OpenModel(string directory, IReadOnlyList<string>? sites, RunContext context)
    {
        if (Run is GraphRunRecord { Options.Replace: not null } or MergedRunRecord { Options.Replace: not null })
        {
            throw new CircuitException($"{RunPath} is a graph of the local replacement model, whose nodes are transcoders' features; "
                + "circuits are taken of graphs of the model itself: draw one with no MLP replaced")
            {
                Settings = [Setting.Replace]
            };
        }
        // before its sites are looked for: another model may lack them
        if (File.Exists(System.IO.Path.Combine(directory, BundleManifest.FileName)))
        {
            RequireModel(directory, LoadedModel.HashOf(directory));
        }
        return sites is null && Run?.Sites is { } own
            ? RecordedValues.Open(directory, RunPath, own, context)
            : LoadedModel.Open(directory, sites, context);
    }

    /// <summary>The circuit: of a run the nodes it kept, with their positions.</summary>
    /// <exception cref="CircuitException">The text does not parse, or the circuit is another model's or does not fit this one.</exception>
    public Circuit Circuit(LoadedModel model)
    {
        RequireModel(model.Path, model.BundleHash);
        var circuit = Subgraph is { } subgraph ? new Circuit(subgraph.Pins.SelectMany(n => Nodes(n, model)))
            : _nodes is null ? CircuitText.Parse(_text, model, Path)
            : new Circuit(_nodes.Where(n => n.Kept).SelectMany(n => Nodes(n, model)));
        if (Path is not null && circuit.Nodes.Count == 0)
        {
            throw new CircuitException(Subgraph is not null
                ? $"{Path} pins no node, so there is no circuit; pin some on the page, and save it"
                : _nodes is null
                ? $"{Path} lists no feature; write site:features in it, such as 3:953;4:7780,312"
                : $"{Path} keeps no node, so there is no circuit; make the graph again with lower thresholds, or without pruning");
        }
        circuit.Require(model);
        return circuit;
    }

    /// <summary>The nodes of the run, kept or not, by falling |effect|. Those whose effect is not known,
    /// such as ends of edges that ablate did not ablate themselves, are left out: they have no rank.</summary>
    /// <exception cref="CircuitException">No node's effect is known, or the run is another model's or does not fit this one.</exception>
    public IReadOnlyList<CircuitNode> Ranking(LoadedModel model)
    {
        RequireModel(model.Path, model.BundleHash);
        var ranked = _nodes!.Where(n => !float.IsNaN(n.Effect))
            .OrderByDescending(n => Math.Abs(n.Effect))
            .SelectMany(n => Nodes(n, model))
            .ToList();
        return ranked.Count > 0 || _nodes!.Count == 0 ? ranked
            : throw new CircuitException(
                $"{Path} has no effect of any node to rank them by, since it was made without tokens; "
                    + "make the run with them, or draw a graph")
            {
                Settings = [Setting.NoTokens]
            };
    }

    // a row for the errors of all positions that have no row of their own is these errors
    private IEnumerable<CircuitNode> Nodes((string Site, int Position, int Feature, float Effect, bool Kept) n, LoadedModel model)
    {
        var isLump = n is { Feature: CausalNode.Error, Position: TokenPosition.All } && _nodes!.Any(o => o.Position >= 0);
        if (!isLump) return [Node(n, model)];
        var length = (Run as PromptRunRecord)?.Tokens?.Count ?? _nodes!.Max(o => o.Position) + 1;
        var own = _nodes!.Where(o => o.Site == n.Site && o is { Feature: CausalNode.Error }).Select(o => o.Position).ToHashSet();
        return Enumerable.Range(0, length).Where(t => !own.Contains(t)).Select(t => Node(n with { Position = t }, model));
    }

    private void RequireModel(string bundle, string bundleHash)
    {
        if (Run is { } run) RequireModel(Path!, (run.ModelPath, run.BundleSha256), (bundle, bundleHash));
    }

    /// <summary>Refuses another model than what a run or a dataset was made with.</summary>
    /// <param name="path">The run or dataset.</param>
    /// <param name="made">What it says of its model.</param>
    /// <param name="bundle">The model that there is.</param>
    /// <exception cref="CircuitException">It is another.</exception>
    public static void RequireModel(string path, (string? Model, string? Hash) made, (string Path, string Hash) bundle)
    {
        if (made.Hash is not { } hash || hash == bundle.Hash) return;
        var short8 = hash.Length > 8 ? $"{hash[..8]}…" : DisplayText.Quoted(hash);
        throw new CircuitException($"{path} was made with another model or another export of it ({made.Model}, bundle "
            + $"{short8}; {bundle.Path} is {bundle.Hash[..8]}…); "
            + "give the model it was made with, or make the graph again")
        {
            Settings = [Setting.Model]
        };
    }

    private static CircuitNode Node((string Site, int Position, int Feature, float Effect, bool Kept) n, LoadedModel model)
    {
        try
        {
            return new CircuitNode(model.Bundle.SiteNamed(n.Site), n.Position, n.Feature);
        }
        catch (BundleException e)
        {
            throw new CircuitException($"the circuit has a node at '{n.Site}': {e.Message}");
        }
    }

    private static List<(string, int, int, float, bool)> Nodes(string file, CancellationToken cancel)
    {
        var table = StoredTable.Read(file, cancel);
        try
        {
            var (sites, positions, features) = (table.Values<string?>(NodeTable.Site), table.Values<int?>(NodeTable.Position),
                table.Values<int?>(NodeTable.Feature));
            var (effects, kept) = (table.Values<float>(NodeTable.Effect), table.Values<bool?>(NodeTable.Kept));
            return [.. Enumerable.Range(0, table.Count).Select(i =>
                (sites[i] ?? throw new InvalidOperationException(), positions[i]!.Value, features[i]!.Value, effects[i], kept[i] == true))];
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            var why = e is ArgumentException
                ? $"its columns are {string.Join(", ", table.Columns.Select(c => DisplayText.OneLine(c.Name)))}, "
                    + "and site, position, feature, effect and kept are needed, each of its type"
                : "a node has no site, position or feature";
            throw new CircuitException($"{file} is no table of a graph's nodes ({why}); give a run directory or its nodes.parquet");
        }
    }

    private static bool IsParquet(string file)
    {
        Span<byte> magic = stackalloc byte[4];
        try
        {
            using var stream = RegularFile.OpenRead(file);
            return stream.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("PAR1"u8);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, e);
        }
    }

    private static string Text(string file)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(RegularFile.ReadAllBytes(file)).TrimStart('\uFEFF');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Unreadable(file, e);
        }
    }

    private static CircuitException Unreadable(string file, Exception e) =>
        new($"{file} cannot be read as a circuit ({(e is DecoderFallbackException ? "it is no text in UTF-8" : FileFault.Words(e))}); "
            + "give a run directory, a nodes.parquet, or a text file of site:features");
}
