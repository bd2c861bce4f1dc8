namespace OnnxAttribution.Bench;

/// <summary>What a benchmark measured: printed for people, kept as JSON (<see cref="RecordFile"/>).</summary>
internal interface IBenchRecord
{
    Setting Setting { get; }

    /// <summary>The file's name, without its ending: benchmark, shape, and what is not as usual.</summary>
    string Name { get; }

    void Print(TextWriter output);
}
