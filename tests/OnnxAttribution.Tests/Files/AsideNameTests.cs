using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Files;

/// <summary>What is written aside has a name that nobody can guess, and what dead writers left is removed, but nothing else.</summary>
public sealed class AsideNameTests : IDisposable
{
    private const string Token = "0123456789abcdef";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    private string[] Names =>
        [.. Directory.EnumerateFileSystemEntries(_directory.Path).Select(e => Path.GetFileName(e)).Order(StringComparer.Ordinal)];

    [Theory]
    [InlineData($".graph.html.{Token}.tmp", "graph.html")]
    [InlineData($".run.{Token}.lock", "run")]
    [InlineData($".run.{Token}.old", "run")]
    [InlineData($"..features.state.{Token}.tmp", ".features.state")]
    [InlineData(".graph.html.tmp", null)]
    [InlineData($".{Token}.tmp", null)]
    [InlineData($"..{Token}.tmp", null)]
    [InlineData($"graph.html.{Token}.tmp", null)]
    [InlineData(".run.0123456789ABCDEF.tmp", null)]
    [InlineData($".run.{Token}.part", null)]
    public void A_name_says_what_it_is_beside(string name, string? place) => Assert.Equal(place, AsideName.PlaceOf(name));

    [Theory, InlineData("a"), InlineData("é"), InlineData("🙂")]
    public void A_name_may_be_as_long_as_the_system_allows(string letter)
    {
        var place = _directory[string.Concat(Enumerable.Repeat(letter, 255 / System.Text.Encoding.UTF8.GetByteCount(letter)))];
        using (var dead = AsideName.Claim(place))
        {
            File.WriteAllText(dead.Path, "");
            Assert.True(AsideName.RemoveLeftovers(place));
        }
        OutputFile.Write(place, stream => stream.Write("new"u8));
        Assert.Equal([Path.GetFileName(place)], Names);
    }

    [Fact]
    public void Links_that_somebody_left_are_not_followed()
    {
        var (precious, place) = (_directory["precious"], _directory["x.svg"]);
        File.WriteAllText(precious, "precious");
        foreach (var name in (string[])["x.svg", ".x.svg.tmp", ".x.svg.lock", $".x.svg.{Token}.tmp", $".x.svg.{Token}.lock"])
        {
            File.CreateSymbolicLink(_directory[name], precious);
        }
        OutputFile.Write(place, stream => stream.Write("new"u8));
        Assert.Equal(("precious", "new"), (File.ReadAllText(precious), File.ReadAllText(place)));
        Assert.Null(new FileInfo(place).LinkTarget);
        // names of an older kind are nobody's business, those of ours were a dead writer's
        Assert.Equal([".x.svg.lock", ".x.svg.tmp", "precious", "x.svg"], Names);
    }

    [Fact]
    public void A_hard_link_in_a_files_place_is_replaced_and_what_else_it_names_is_not()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "makes hard links by a POSIX program");
        File.WriteAllText(_directory["precious"], "precious");
        foreach (var name in (string[])["x.svg", $".x.svg.{Token}.tmp", $".x.svg.{Token}.lock"])
        {
            System.Diagnostics.Process.Start("ln", [_directory["precious"], _directory[name]])!.WaitForExit();
        }
        OutputFile.Write(_directory["x.svg"], stream => stream.Write("new"u8));
        Assert.Equal(("precious", "new"), (File.ReadAllText(_directory["precious"]), File.ReadAllText(_directory["x.svg"])));
        Assert.Equal(["precious", "x.svg"], Names);
    }

    [Fact]
    public void What_a_dead_writer_left_is_removed_and_what_a_living_one_writes_is_not()
    {
        Directory.CreateDirectory(_directory[$".run.{Token}.tmp/spill"]);
        File.WriteAllText(_directory[$".run.{Token}.lock"], "");
        File.WriteAllText(_directory[$".other.{Token}.tmp"], "of another place");
        using var living = AsideName.Claim(_directory["run"]);
        Directory.CreateDirectory(living.Path);
        var names = Names;
        Assert.Equal(3, names.Length);
        using (var second = AsideName.Claim(_directory["run"])) Assert.NotEqual(living.Path, second.Path);
        Assert.True(AsideName.RemoveLeftovers(_directory["run"]));
        Assert.Equal(names, Names);
    }

    [Fact]
    public void What_was_moved_aside_when_its_writer_died_is_put_back_where_nothing_took_its_place()
    {
        foreach (var run in (string[])["gone", "there"])
        {
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(_directory[$".{run}.{Token}.old"]).FullName, "old"), "");
        }
        Directory.CreateDirectory(_directory["there"]);
        Assert.False(AsideName.RemoveLeftovers(_directory["gone"]));
        Assert.False(AsideName.RemoveLeftovers(_directory["there"]));
        Assert.Equal(["gone", "there"], Names);
        Assert.True(File.Exists(_directory["gone/old"]));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory["there"]));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_directory_is_replaced_whole_and_nothing_stays_beside_it(bool exchanges)
    {
        var place = _directory["run"];
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(place).FullName, "old"), "");
        using (var output = new OutputDirectory(place))
        {
            File.WriteAllText(Path.Combine(output.Aside, "new"), "");
            if (exchanges) output.Commit();
            else output.CommitByRenames();
        }
        Assert.Equal(["run"], Names);
        Assert.Equal([Path.Combine(place, "new")], Directory.EnumerateFileSystemEntries(place));
    }

    [Fact]
    public void Directories_are_exchanged_in_one_step()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "this system exchanges no directories");
        Directory.CreateDirectory(_directory["a/of a"]);
        Directory.CreateDirectory(_directory["b/of b"]);
        Assert.True(FileStep.TryExchange(_directory["a"], _directory["b"]));
        Assert.True(Directory.Exists(_directory["a/of b"]) && Directory.Exists(_directory["b/of a"]));
        Assert.False(FileStep.TryExchange(_directory["a"], _directory["nowhere"]));
    }

    [Fact]
    public async Task Many_writers_of_one_file_take_turns()
    {
        var inside = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            using var name = AsideName.ClaimAlone(_directory["x"], TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
            Assert.Equal(1, Interlocked.Increment(ref inside));
            Thread.Sleep(5);
            Interlocked.Decrement(ref inside);
        })));
        Assert.Empty(Names);
    }
}
