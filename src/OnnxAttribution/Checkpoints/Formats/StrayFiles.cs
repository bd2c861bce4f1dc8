using System.Text.RegularExpressions;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>What lies among dictionaries and is none, told by its name:
/// book-keeping of other programs, and what a training leaves beside its result.</summary>
internal static partial class StrayFiles
{
    /// <summary>Git, the hub's cache, editors and macOS keep such folders and files (.git, .cache, .no_exist, ._ae.pt, __MACOSX).</summary>
    public static bool IsBookkeeping(string name) => name.StartsWith('.') || name == "__MACOSX";

    /// <summary>To go on training with: <c>trainer_state.pt</c> (SAELens), <c>optimizer_0.pt</c>,
    /// <c>lr_scheduler.pt</c>, <c>rank_0_state.pt</c> (sparsify), <c>rng_state.pth</c>.</summary>
    public static bool IsTrainingState(string name) => TrainingState.IsMatch(name);

    /// <summary>dictionary_learning's dictionary as it was after some steps,
    /// in <c>checkpoints</c> below the trained one's folder.</summary>
    public static bool IsStep(string name) => Step.IsMatch(name);

    /// <summary>Of the folders of one training by SAELens, <c>122880</c> and the like are
    /// its steps where there is a <c>final_245760</c>.</summary>
    public static bool IsStepFolder(string name, IEnumerable<string> siblings) =>
        name.All(char.IsAsciiDigit) && siblings.Any(s => Final.IsMatch(s));

    [GeneratedRegex(@"^(?:.*_)?(?:state|optimizer|scheduler|optim)(?:_\d+)?\.(?:pt|pth)$")]
    private static partial Regex TrainingState { get; }

    [GeneratedRegex(@"^ae_\d+\.pt$")]
    private static partial Regex Step { get; }

    [GeneratedRegex(@"^final_\d+$")]
    private static partial Regex Final { get; }
}
