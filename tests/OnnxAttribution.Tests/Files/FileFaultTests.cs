using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Files;

/// <summary>What the system refuses is said as a reason and what to do,
/// without .NET's sentences and without the path, which the reader puts in front.</summary>
public sealed class FileFaultTests
{
    [Theory]
    [InlineData(12, "Cannot allocate memory : '/x'", "ulimit -v")]
    [InlineData(24, "Too many open files : '/x'", "ulimit -n")]
    [InlineData(23, "Too many open files in system : '/x'", "ulimit -n")]
    [InlineData(28, "No space left on device : '/x'", "make room")]
    [InlineData(122, "Disk quota exceeded : '/x'", "quota")]
    [InlineData(30, "Read-only file system : '/x'", "read-only")]
    [InlineData(5, "Input/output error : '/x'", "check the disk")]
    [InlineData(11, "The process cannot access the file '/x' because it is being used by another process.", "another program holds it")]
    public void A_code_of_the_system(int code, string message, string word)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has codes of its own");
        var words = FileFault.Words(new IOException(message, code), "unused fix");
        Assert.Contains(word, words);
        Assert.DoesNotContain("/x", words);
        Assert.DoesNotContain("unused", words);
    }

    [Fact]
    public void What_NET_says_without_a_code()
    {
        Assert.Contains("permission is denied", FileFault.Words(new UnauthorizedAccessException("Access to the path '/x' is denied.")));
        Assert.Contains("read-only", FileFault.Words(
            new UnauthorizedAccessException("Access to the path '/x' is denied.", new IOException("Read-only file system", 30))));
        Assert.Contains("not there", FileFault.Words(new FileNotFoundException("Could not find file '/x'.", "/x")));
        Assert.Contains("shorter", FileFault.Words(new EndOfStreamException("Unable to read beyond the end of the stream.")));
        Assert.Contains("ulimit -v", FileFault.Words(new OutOfMemoryException()));
        Assert.Contains("make room",
            FileFault.Words(new InvalidOperationException("IO Error: Could not write file \"/x\": No space left on device")));
    }

    /// <summary>With no descriptor left, .NET says of its own assemblies that there are none.</summary>
    [Fact]
    public void An_assembly_that_is_not_found_is_no_file_of_the_users()
    {
        var words = FileFault.Words(new FileNotFoundException("Could not load file or assembly 'DuckDB.NET.Data, Version=1.5.6.1'.",
            "DuckDB.NET.Data, Version=1.5.6.1, Culture=neutral"));
        Assert.Contains("a part of itself", words);
        Assert.Contains("ulimit -n", words);
    }

    [Fact]
    public void Any_other_reason_keeps_its_words_and_gets_the_callers_fix()
    {
        Assert.Equal("Strange thing; do this", FileFault.Words(new IOException("Strange thing : '/x'"), "do this"));
        Assert.Equal("it is a directory", FileFault.Words(new IOException("it is a directory")));
    }
}
