namespace OnnxAttribution.Runs;

/// <summary>What of a dataset is there.</summary>
public enum DatasetState
{
    /// <summary>All of it.</summary>
    Whole,

    /// <summary>Parts are missing, that other shards compute.</summary>
    PromptsMissing,

    /// <summary>All parts are there, and of the mean's edges parts are missing.</summary>
    EdgesMissing,

    /// <summary>All but the mean, which another program is writing.</summary>
    MeanBusy,

    /// <summary>All parts, and no prompt has a graph.</summary>
    NoGraph,
}
