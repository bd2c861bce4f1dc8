using System.Formats.Tar;
using System.IO.Compression;

namespace OnnxAttribution.Tests.Packaging;

/// <summary>The archive of the program, unpacked on a machine where nothing else is.</summary>
public sealed class ArchiveTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact(Explicit = true)]
    public void The_unpacked_program_draws_the_demo_without_dotnet()
    {
        using (var archive = new GZipStream(File.OpenRead(Packages.Archive), CompressionMode.Decompress))
        {
            TarFile.ExtractToDirectory(archive, _directory.Path, overwriteFiles: false);
        }
        var unpacked = Path.Combine(_directory.Path, Path.GetFileName(Packages.Archive).Replace(".tar.gz", ""));
        Assert.All(Packages.BesideTheProgram, file => Assert.True(File.Exists(Path.Combine(unpacked, file)), file));
        // no search path, and no variable that says where a .NET is
        Packages.DrawsTheDemo(Path.Combine(unpacked, Packages.Executable), _directory,
            new Dictionary<string, string> { ["TMPDIR"] = Path.GetTempPath() });
    }

    [Fact(Explicit = true)]
    public void The_archive_holds_neither_debug_information_nor_assemblies()
    {
        using var archive = new TarReader(new GZipStream(File.OpenRead(Packages.Archive), CompressionMode.Decompress));
        var names = new List<string>();
        while (archive.GetNextEntry() is { } entry) names.Add(entry.Name);
        Assert.True(names.Count > Packages.BesideTheProgram.Count, string.Join(' ', names));
        Assert.DoesNotContain(names,
            name => name.EndsWith(".pdb") || name.EndsWith(".dbg") || name.EndsWith(".xml") || name.EndsWith("OnnxAttribution.dll"));
    }
}
