namespace OnnxAttribution.Store;

/// <summary>dataset.json: what a dataset of prompts' graphs was asked for. Nothing in it tells one execution from the next.</summary>
internal sealed record DatasetRecord
{
    /// <summary>The layout: 1.</summary>
    public int? FormatVersion { get; init; }

    /// <summary>The metric, by its name.</summary>
    public string? Metric { get; init; }

    /// <summary>The token position that the metric is read at, from 0, BOS counted; null: the last.</summary>
    public int? Position { get; init; }

    /// <summary>How many lines the file of prompts has that are not blank.</summary>
    public int? Prompts { get; init; }

    /// <summary>SHA-256 of these lines as they were read, in hexadecimal.</summary>
    public string? PromptsSha256 { get; init; }

    /// <summary>How many prompts a part holds; the last may hold fewer.</summary>
    public int? PartSize { get; init; }

    /// <summary>Whether nodes that were not kept are written too.</summary>
    public bool? AllNodes { get; init; }

    /// <summary>Hook names of the selected sites, in the order of computation.</summary>
    public IReadOnlyList<string>? Sites { get; init; }

    /// <summary>What each prompt was asked for.</summary>
    public GraphOptionsRecord? Options { get; init; }

    /// <summary>How the intervals of the mean are drawn.</summary>
    public BootstrapRecord? Bootstrap { get; init; }

    /// <summary>Whether prompts got a BOS; null: as the dictionaries were trained.</summary>
    public bool? PrependBos { get; init; }

    /// <summary>Whether weights were laid out for speed, which last digits depend on: of many prompts, where the machine has the memory.
    /// </summary>
    public bool? Packed { get; init; }

    /// <summary>The model's name, as its bundle has it.</summary>
    public string? Model { get; init; }

    /// <summary>SHA-256 of the bundle's bundle.json, in hexadecimal.</summary>
    public string? BundleSha256 { get; init; }

    /// <summary>What made it: <c>onnx-attribution</c>.</summary>
    public string? Program { get; init; }

    /// <summary>The program's version.</summary>
    public string? Version { get; init; }

    /// <summary>How many parts there are when it is whole.</summary>
    internal int Parts => (int)(((long)Prompts!.Value + PartSize!.Value - 1) / PartSize.Value);
}

/// <summary>How intervals of means over prompts are drawn.</summary>
/// <param name="Resamples">How often as many prompts as there are were drawn from them, with replacement.</param>
/// <param name="Seed">Of the draws.</param>
/// <param name="Level">Share of the resamples' means that an interval holds, as many left out on either side.</param>
internal sealed record BootstrapRecord(int Resamples, int Seed, double Level);
