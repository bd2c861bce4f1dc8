namespace OnnxAttribution.Export;

/// <summary>How a graph that another program exported becomes a bundle.</summary>
/// <param name="Onnx">The .onnx file.</param>
/// <param name="Sites">sites.json: which of its tensors are the sites; null: the file of that name beside the graph.</param>
/// <param name="Dictionaries">Directories that hold dictionaries, at any depth and of any format that is known;
/// null or empty: <c>dictionaries</c> beside the graph, if there.</param>
/// <param name="Out">The bundle to write; another directory than the graph's.</param>
/// <param name="Tokenizer">Directory with the tokenizer's files; null: the graph's.</param>
/// <param name="Force">Replace a bundle that is there.</param>
/// <param name="Threads">Threads that hash files; 0: one per core.</param>
internal sealed record AdoptionOptions(string Onnx, string? Sites, IReadOnlyList<string>? Dictionaries, string Out,
    string? Tokenizer = null, bool Force = false, int Threads = 0)
{
    /// <summary>Refuse dictionaries that say that they were trained on processed weights: a graph's weights are as they are.</summary>
    public bool AsTrained { get; init; } = true;

    /// <inheritdoc cref="ExportOptions.Screens"/>
    public bool Screens { get; init; }

    public int Parallelism => Threads > 0 ? Threads : Environment.ProcessorCount;

    public string SitesFile => Sites ?? Path.Combine(Folder, "sites.json");

    public string Folder => Path.GetDirectoryName(Path.GetFullPath(Onnx))!;
}
