using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Runtime;

/// <summary>How much memory there is, by what Linux says of the machine and of control groups.</summary>
public sealed class MachineMemoryTests : IDisposable
{
    private const long GiB = 1L << 30;

    private readonly TemporaryDirectory _root = new();

    public MachineMemoryTests() => Write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:        1024 kB\n");

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Without_a_limit_it_is_the_machines()
    {
        Assert.Equal(16 * GiB, MachineMemory.Of(_root.Path));
        Write("proc/self/cgroup", "0::/user.slice\n");
        Write("sys/fs/cgroup/user.slice/memory.max", "max\n");
        Assert.Equal(16 * GiB, MachineMemory.Of(_root.Path));
    }

    [Theory, InlineData("jobs/one", 2), InlineData("jobs", 3), InlineData("", 4)]
    public void The_least_of_the_groups_that_it_is_in_counts(string limited, int gib)
    {
        Write("proc/self/cgroup", "0::/jobs/one\n");
        Write("sys/fs/cgroup/jobs/one/memory.max", "max\n");
        Write($"sys/fs/cgroup/{limited}/memory.max", $"{gib * GiB}\n");
        Assert.Equal(gib * GiB, MachineMemory.Of(_root.Path));
    }

    [Fact]
    public void The_first_kind_of_groups_is_read_too()
    {
        Write("proc/self/cgroup", "12:cpu,cpuacct:/x\n4:memory:/docker/abc\n");
        Write("sys/fs/cgroup/memory/memory.limit_in_bytes", $"{5 * GiB}\n");   // a container sees its own as the top
        Assert.Equal(5 * GiB, MachineMemory.Of(_root.Path));
    }

    [Fact]
    public void Here_it_is_some() => Assert.InRange(MachineMemory.Bytes(), 1 << 20, long.MaxValue);

    private void Write(string name, string text)
    {
        var file = Path.Combine(_root.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
