using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>A bundle that is being made: filled aside, and put in its place whole or not at all.
/// Who makes it disposes it; without <see cref="Commit"/> nothing stays.</summary>
/// <remarks>
/// - A new directory is renamed into its place; a bundle that is replaced is exchanged in one step,
/// and what else lies in its folder goes along.
/// - In a directory that holds no bundle yet, files come one by one and bundle.json last.
/// - In the checkpoint's own directory that holds for a new bundle too;
/// the old one's files stay until bundle.json speaks of others, so that a kill leaves the old bundle or the new one.
/// </remarks>
internal sealed class BundleOutput : IDisposable
{
    private const string RunRecord = "run.json", RunNodes = "nodes.parquet";   // of a run, about which this room knows nothing else

    private readonly OutputDirectory _output;
    private readonly BundleRemains _before;
    private readonly bool _force, _inPlace, _replaces, _isBeside;

    /// <param name="target">The bundle's directory.</param>
    /// <param name="force">Replace what is there.</param>
    /// <param name="inPlace">It is the checkpoint's own: what lies in it stays.</param>
    /// <exception cref="BundleException">A bundle is there and <paramref name="force"/> is off.</exception>
    private BundleOutput(string target, bool force, bool inPlace)
    {
        (Target, _force, _inPlace) = (RealPath.Of(target), force, inPlace);
        if (!Directory.Exists(Target)) AsideName.RemoveLeftovers(Target);
        Require(target, force, inPlace);
        _before = BundleRemains.Of(Target);
        _replaces = !inPlace && File.Exists(Path.Combine(Target, BundleManifest.FileName));
        if (_replaces && IsWithin(Environment.CurrentDirectory, Target))
        {
            throw new BundleException(
                $"{target} is the directory that this was called from, and is replaced as a whole; call it from another one");
        }
        _isBeside = !inPlace && (_replaces || !Directory.Exists(Target));
        var place = _isBeside ? Target : Path.Combine(Target, "bundle");
        if (AsideName.RemoveLeftovers(place))
        {
            throw new BundleException(
                $"{target} is being written by another export right now; wait for it, or write to another directory")
            {
                Settings = [Setting.Out]
            };
        }
        _output = new OutputDirectory(place);
    }

    /// <summary>Where the bundle will be.</summary>
    public string Target { get; }

    /// <summary>What is to be filled.</summary>
    public string Aside => _output.Aside;

    /// <summary>Refuses before the work what would be refused after it.</summary>
    /// <inheritdoc cref="BundleOutput(string, bool, bool)" path="/exception"/>
    public static void Require(string target, bool force, bool inPlace)
    {
        if (File.Exists(target)) throw new BundleException($"{target} is a file; write to a directory") { Settings = [Setting.Out] };
        if (File.Exists(Path.Combine(target, RunRecord)) && File.Exists(Path.Combine(target, RunNodes)))
        {
            throw new BundleException($"{target} holds a run; write to another directory") { Settings = [Setting.Out] };
        }
        if (!inPlace && !force && File.Exists(Path.Combine(target, BundleManifest.FileName)))
        {
            throw new BundleException($"{target} already holds a bundle; ask for it to be replaced") { Settings = [Setting.Force] };
        }
    }

    /// <summary>Makes a bundle and puts it in its place.</summary>
    /// <param name="fill">Fills <see cref="Aside"/>.</param>
    /// <exception cref="BundleException">It cannot be written, or something is in its way; nothing has changed.</exception>
    public static BundleManifest Write(string target, bool force, bool inPlace, Func<BundleOutput, BundleManifest> fill,
        CancellationToken cancel)
    {
        try
        {
            using var output = new BundleOutput(target, force, inPlace);
            var manifest = fill(output);
            cancel.ThrowIfCancellationRequested();
            output.Commit(manifest);
            return manifest;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BundleException(
                $"{target} cannot be written: {FileFault.Words(e, "choose a directory that is writable and has room")}", e);
        }
    }

    /// <summary>Where a file of the new bundle is now.</summary>
    public string Find(string name) => Path.Combine(Aside, name) is var aside && File.Exists(aside) ? aside : Path.Combine(Target, name);

    /// <summary>Gives a file or folder that was written aside its name in the bundle:
    /// another one where the checkpoint's directory has that name for something else.</summary>
    public string Settle(string name)
    {
        var (aside, there) = (Path.Combine(Aside, name), Path.Combine(Target, name));
        if (!_inPlace || !Path.Exists(there) || IsSame(aside, there)) return name;
        var other = Other(name, aside);
        Directory.Move(aside, Path.Combine(Aside, other));
        return other;
    }

    /// <summary>Puts the bundle in its place; bundle.json is what makes it one.</summary>
    public void Commit(BundleManifest manifest)
    {
        if (!_isBeside) RequireFree();
        if (_inPlace)
        {
            CommitInPlace(manifest with
            {
                Exported = [.. Names().Union(_before.Exported.Where(manifest.Files.ContainsKey)).Order(StringComparer.Ordinal)]
            });
        }
        else
        {
            WriteManifest(Aside, manifest);
            if (_replaces) _before.CarryOver(Aside);
            if (_isBeside) _output.Commit();
            else MoveAll();
        }
    }

    public void Dispose() => _output.Dispose();

    private void CommitInPlace(BundleManifest manifest)
    {
        var graph = Path.Combine(Target, BundleManifest.GraphFileName);
        var staged = Path.Combine(Aside, BundleManifest.GraphFileName);
        AsideName.RemoveLeftovers(graph);   // of an export that was killed while it linked the graph
        if (_before.Lists(BundleManifest.GraphFileName) && File.Exists(graph) && !IsSame(staged, graph))
        {
            // the old bundle's graph may go when bundle.json speaks of the new one, which then takes its name
            var next = Path.Combine(Target, BundleManifest.NextGraphFileName);
            FileStep.Rename(staged, next);
            MoveAll();
            WriteManifest(Target, manifest with
            {
                Graph = BundleManifest.NextGraphFileName,
                Files = manifest.Files.ToDictionary(f =>
                    f.Key == BundleManifest.GraphFileName ? BundleManifest.NextGraphFileName : f.Key, f => f.Value)
            });
            FileLink.Make(next, graph);
            WriteManifest(Target, manifest);
        }
        else
        {
            MoveAll();
            WriteManifest(Target, manifest);
        }
        _before.RemoveExported(manifest);
    }

    private void MoveAll()
    {
        foreach (var name in Names().OrderBy(name => name == BundleManifest.FileName))
        {
            var to = Path.Combine(Target, name);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            // of two names of one file a rename leaves both; the one aside goes with its directory
            FileStep.Rename(Path.Combine(Aside, name), to);
        }
    }

    private void RequireFree()
    {
        foreach (var name in Names().Append(BundleManifest.FileName))
        {
            var to = Path.Combine(Target, name);
            if (BundleFiles.LinkIn(Target, Path.GetDirectoryName(name)!) is { } link)
            {
                throw new BundleException($"{link} is a link, and nothing is written through one; remove it, or write to another directory")
                {
                    Settings = [Setting.Out]
                };
            }
            if (Directory.Exists(to))
            {
                throw new BundleException($"{to} is a directory where the bundle has a file; write to another directory")
                {
                    Settings = [Setting.Out]
                };
            }
            var ours = name == BundleManifest.FileName ? _before.IsBundle : _before.Owns(name) || IsSame(Path.Combine(Aside, name), to);
            if (Path.Exists(to) && !ours && !_force)
            {
                throw new BundleException(
                    $"{to} is there, and no export wrote it; ask for it to be replaced, or write to another directory")
                {
                    Settings = [Setting.Force, Setting.Out]
                };
            }
        }
    }

    private List<string> Names() =>
        [.. Directory.EnumerateFiles(Aside, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Aside, file).Replace('\\', '/'))
            .Order(StringComparer.Ordinal)];

    private static void WriteManifest(string directory, BundleManifest manifest) =>
        OutputFile.Write(Path.Combine(directory, BundleManifest.FileName),
            stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(manifest.ToJson())));

    // model.onnx becomes model.1a2b3c4d.onnx, a folder gets the digits behind its name
    private static string Other(string name, string content)
    {
        var files = Directory.Exists(content) ? Directory.GetFiles(content).Order(StringComparer.Ordinal).ToArray() : [content];
        var digits = BundleFiles.Sha256(files[^1])[..8];
        return Directory.Exists(content) ? $"{name}.{digits}" : $"{Path.ChangeExtension(name, null)}.{digits}{Path.GetExtension(name)}";
    }

    private static bool IsSame(string one, string other)
    {
        if (Directory.Exists(one))
        {
            return Directory.Exists(other)
                && Directory.GetFiles(one).All(file => IsSame(file, Path.Combine(other, Path.GetFileName(file))));
        }
        return File.Exists(one) && new FileInfo(other) is { Exists: true, LinkTarget: null } found
            && found.Length == new FileInfo(one).Length && BundleFiles.Sha256(one) == BundleFiles.Sha256(other);
    }

    private static bool IsWithin(string path, string directory) =>
        path == directory || path.StartsWith(directory + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
