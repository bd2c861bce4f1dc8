namespace OnnxAttribution.Files;

/// <summary>What makes what a message misses, whatever the caller's name for doing it.</summary>
internal enum StepKind
{
    AblateFeatures,
    Certify,
    CollectFeatures,
    CollectFeaturesAnew,
    DrawGraph,
    DrawPage,
    DrawPageAnew,
    Export,
    ExportDictionaries,
    Fetch,
    FetchDictionaries,
    ImportLabels,
    MeasureFaithfulness,
    SplitHeads,
    NameOutputs,
    ReadLens,
    PatchActivations,
    SplitScore,
    TraceCurve,
    Validate,
}

/// <summary>What a caller does next. The message says it in words, and the command line has a command for each:
/// <c>onnx-attribution validate RUN</c> for <see cref="StepKind.Validate"/>.</summary>
/// <param name="Path">The run or the bundle that it is done to; null: one that the caller has to name.</param>
internal sealed record NextStep(StepKind Kind, string? Path = null)
{
    public string Words => Kind switch
    {
        StepKind.AblateFeatures => "ablate the features of its prompt",
        StepKind.Certify => "bound what it has left out",
        StepKind.CollectFeatures => "collect dashboards from a text",
        StepKind.CollectFeaturesAnew => "collect dashboards from a text anew",
        StepKind.DrawGraph => "draw a graph",
        StepKind.DrawPage => "draw the page",
        StepKind.DrawPageAnew => "draw the page anew",
        StepKind.Export => "export a checkpoint",
        StepKind.ExportDictionaries => "export the checkpoint again with dictionaries",
        StepKind.FetchDictionaries => "fetch them from the hub",
        StepKind.Fetch => "fetch it from the hub",
        StepKind.ImportLabels => "import labels",
        StepKind.MeasureFaithfulness => "measure its faithfulness",
        StepKind.NameOutputs => "draw its graph of transcoders with output tokens",
        StepKind.ReadLens => "look through the lens",
        StepKind.PatchActivations => "patch activations from one prompt to another",
        StepKind.SplitHeads => "split the edges of its graph by heads",
        StepKind.SplitScore => "split a score of a head",
        StepKind.TraceCurve => "trace a response curve",
        _ => "validate the run",
    };
}
