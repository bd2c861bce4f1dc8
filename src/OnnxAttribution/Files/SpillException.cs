namespace OnnxAttribution.Files;

/// <summary>What does not fit into memory cannot be written aside.</summary>
internal sealed class SpillException : OnnxAttributionException
{
    internal SpillException(string directory, Exception why) : base(
        $"{directory}: edges that do not fit into memory cannot be kept there: {FileFault.Words(why)}", why) =>
        Settings = [Setting.Memory];
}
