using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>The command for what a message of the library says is to be done next.</summary>
internal static class StepCommand
{
    public static string Of(NextStep step) => "onnx-attribution " + step.Kind switch
    {
        StepKind.AblateFeatures => "ablate --out RUN",
        StepKind.Certify => $"validate {step.Path ?? "RUN"} --bound",
        StepKind.CollectFeatures => $"features --model {step.Path ?? "BUNDLE"} --text FILE",
        StepKind.CollectFeaturesAnew => $"features --model {step.Path ?? "BUNDLE"} --text FILE --force",
        StepKind.DrawGraph => "graph",
        StepKind.DrawPage => $"view {step.Path ?? "RUN"}",
        StepKind.DrawPageAnew => $"view {step.Path ?? "RUN"} --force",
        StepKind.Export => $"export --checkpoint DIR --out {step.Path ?? "BUNDLE"}",
        StepKind.ExportDictionaries => $"export --checkpoint DIR --dictionaries DIR --out {step.Path ?? "BUNDLE"} --force",
        StepKind.FetchDictionaries => $"fetch MODEL --dictionaries hf:{step.Path ?? "OWNER/NAME"} --out DIR",
        StepKind.Fetch => $"fetch {step.Path ?? "MODEL"} --out DIR",
        StepKind.ImportLabels => $"features --model {step.Path ?? "BUNDLE"} --import-labels FILE",
        StepKind.MeasureFaithfulness => "ablate --faithfulness RUN",
        StepKind.SplitHeads => "graph --heads --out RUN",
        StepKind.NameOutputs => "graph --targets top:10 --out RUN",
        StepKind.ReadLens => "lens --model BUNDLE --prompt TEXT --out DIR",
        StepKind.SplitScore => "heads RUN --head LAYER.HEAD",
        StepKind.PatchActivations => "patch --prompt TEXT --patch-prompt TEXT --out DIR",
        StepKind.TraceCurve => "ablate --up FEATURE --down FEATURE --out RUN/curve.parquet",
        _ => $"validate {step.Path ?? "RUN"}",
    };
}
