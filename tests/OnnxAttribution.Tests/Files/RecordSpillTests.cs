using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Files;

/// <summary>A list that lies in a file where memory does not do reads as one in memory, and its file has no name.</summary>
public sealed class RecordSpillTests : IDisposable
{
    private const int Many = 20_000;

    private readonly TemporaryDirectory _directory = new();

    [Theory, InlineData(0), InlineData(100_000), InlineData(long.MaxValue)]
    public void Records_are_read_as_they_were_added(long bytes)
    {
        using var list = new RecordSpill<long>(new SpillRoom(bytes, _directory["aside"]));
        for (var i = 0; i < Many; i++)
        {
            list.Add(3L * i);
            if (i % 1000 == 0) Assert.Equal(3L * (i / 2), list[i / 2]);
        }
        Assert.Equal(bytes < long.MaxValue, list.IsSpilled);
        Assert.Equal(Enumerable.Range(0, Many).Select(i => 3L * i), list);
        Assert.Equal(Enumerable.Range(0, Many).Select(i => 3L * i).Reverse(), Enumerable.Range(0, Many).Select(i => list[Many - 1 - i]));
        Assert.Throws<ArgumentOutOfRangeException>(() => list[Many]);
        if (list.IsSpilled && !OperatingSystem.IsWindows()) Assert.Empty(Directory.GetFileSystemEntries(_directory["aside"]));
    }

    [Fact]
    public void What_cannot_be_written_aside_is_said_and_leaves_nothing()
    {
        using var list = new RecordSpill<long>(new SpillRoom(0, _directory["aside"]));
        using (new FileSteps(_directory["aside"], _ => throw new IOException("refused by the test")))
        {
            var e = Assert.Throws<SpillException>(() => Fill(list));
            Assert.Contains(_directory["aside"], e.Message);
            Assert.Contains("refused by the test", e.Message);
        }
        Assert.Empty(Directory.GetFileSystemEntries(_directory["aside"]));

        File.WriteAllText(_directory["file"], "");
        using var nowhere = new RecordSpill<long>(new SpillRoom(0, _directory["file"]));
        Assert.Throws<SpillException>(() => Fill(nowhere));
    }

    private static void Fill(RecordSpill<long> list)
    {
        for (var i = 0; i < Many; i++) list.Add(i);
    }

    public void Dispose() => _directory.Dispose();
}
