using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Verification;

/// <summary>
/// Runs this program's own commands and compares what they print with numbers that it did not compute.
/// 1. Each step of the chosen groups is run as it would be typed, with paths in the places of its placeholders.
/// 2. Its JSON is asked for each expected value: a command that fails, or lacks a value, misses.
/// </summary>
/// <param name="run">Runs a command: its words, to what it printed.</param>
internal sealed class VerificationRun(Func<IReadOnlyList<string>, CommandOutcome> run, IProgress<string>? progress = null)
{
    private const string Work = "work";

    private const int MostShown = 60;

    /// <param name="places">Placeholders to paths, without that of the working folder.</param>
    /// <param name="keep">The working folder, made and left there; null: one that is thrown away.</param>
    /// <param name="only">Names of groups, steps, or <c>group.step</c>; null: all groups whose needs are met.</param>
    /// <exception cref="VerificationException">There is nothing to run: a name is none, or a group lacks what it needs.</exception>
    public IReadOnlyList<VerifiedValue> Run(ExpectedNumbers numbers, IReadOnlyDictionary<string, string> places,
        IReadOnlyList<string>? only, string? keep = null)
    {
        var chosen = Chosen(numbers, places, only);
        var work = keep is null ? Directory.CreateTempSubdirectory("onnx-attribution-verify-").FullName : Made(keep);
        try
        {
            var all = new Dictionary<string, string>(places) { [Work] = work };
            var (done, result) = (0, new List<VerifiedValue>());
            foreach (var (group, steps) in chosen)
            {
                foreach (var (name, text) in group.Files ?? new Dictionary<string, string>())
                {
                    File.WriteAllText(Path.Combine(work, name), text);
                }
                foreach (var step in steps)
                {
                    progress?.Report($"{++done} of {chosen.Sum(c => c.Steps.Count)}: {group.Name}.{step.Id}");
                    result.AddRange(Verified(group, step, all));
                }
            }
            return result;
        }
        finally
        {
            if (keep is null) Directory.Delete(work, recursive: true);
        }
    }

    private static string Made(string keep)
    {
        try
        {
            if (!Directory.Exists(keep) || !Directory.EnumerateFileSystemEntries(keep).Any())
            {
                return Directory.CreateDirectory(keep).FullName;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VerificationException($"{keep} cannot be made ({FileFault.Words(e)}); name a new folder");
        }
        throw new VerificationException($"{keep} is not empty; name a new folder");
    }

    private static List<(ExpectedGroup Group, IReadOnlyList<ExpectedStep> Steps)> Chosen(ExpectedNumbers numbers,
        IReadOnlyDictionary<string, string> places, IReadOnlyList<string>? only)
    {
        string[] Names(ExpectedGroup g) => [g.Name, .. g.Steps.SelectMany(s => (string[])[s.Id, $"{g.Name}.{s.Id}"])];
        if (only?.FirstOrDefault(o => !numbers.Groups.Any(g => Names(g).Contains(o))) is { } none)
        {
            throw new VerificationException($"there is nothing called '{none}' to verify. Did you mean "
                + $"'{SpellCheck.Among(numbers.Groups.SelectMany(Names), none)}'? Groups are "
                + string.Join(", ", numbers.Groups.Select(g => g.Name)));
        }
        bool IsMet(ExpectedGroup g) => g.Needs.All(places.ContainsKey);
        var named = numbers.Groups.Where(g => only is null || Names(g).Any(only.Contains)).ToList();
        var asked = named.Where(IsMet).ToList();
        // a step's name may stand in several groups; a group's own is meant
        var unmet = named.Find(g => !IsMet(g) && (asked.Count == 0 || only?.Contains(g.Name) == true));
        if (unmet is not null)
        {
            throw new VerificationException($"{unmet.Name} needs a {string.Join(" and ", unmet.Needs.Where(n => !places.ContainsKey(n)))}, "
                + "which is not given; name where it lies");
        }
        // steps read what earlier ones of their group wrote, so that these are run too, and told
        return [.. asked.Select(g => (g, (IReadOnlyList<ExpectedStep>)(only is null || only.Contains(g.Name) ? g.Steps
            : Needed(g, [.. g.Steps.Where(s => only.Contains(s.Id) || only.Contains($"{g.Name}.{s.Id}"))]))))];
    }

    private static List<ExpectedStep> Needed(ExpectedGroup group, List<ExpectedStep> steps)
    {
        var (chosen, read) = (new List<ExpectedStep>(), new HashSet<string>());
        foreach (var step in group.Steps.Reverse())
        {
            if (!steps.Contains(step) && (step.Writes is not { } written || !read.Contains(written))) continue;
            chosen.Insert(0, step);
            read.UnionWith(step.Command);
        }
        return chosen;
    }

    private IEnumerable<VerifiedValue> Verified(ExpectedGroup group, ExpectedStep step, Dictionary<string, string> places)
    {
        string[] words = [.. step.Command.Select(w => places.Aggregate(w, (text, place) => text.Replace($"{{{place.Key}}}", place.Value)))];
        var outcome = run(words);
        VerifiedValue Of(ExpectedValue? value, string measured, bool isRight, string? why = null) => new(group.Name, step.Id,
            value?.What ?? "runs", step.Source, words, Words(value), measured, isRight ? Verdict.Passed
                : group.IsReported ? Verdict.Differs : Verdict.Failed, why);
        if (outcome.Code != 0)
        {
            var why = DisplayText.OneLine(outcome.Error.Trim());
            return step.Values.Count == 0 ? [Of(null, "–", false, why)] : [.. step.Values.Select(v => Of(v, "–", false, why))];
        }
        if (step.Values.Count == 0) return [Of(null, "yes", true)];
        JsonNode? json;
        try
        {
            json = JsonNode.Parse(outcome.Output);
        }
        catch (JsonException e)
        {
            return [.. step.Values.Select(v => Of(v, "–", false, $"it prints no JSON: {DisplayText.OneLine(e.Message)}"))];
        }
        return [.. step.Values.Select(v => JsonPlace.Find(json, v.Path) is { } found ? Of(v, Measured(found), IsRight(v, found))
            : Of(v, "–", false, $"there is no {JsonPlace.Words(v.Path)}"))];
    }

    private static bool IsRight(ExpectedValue expected, JsonNode found)
    {
        if (expected.Text is { } text) return found.GetValueKind() == JsonValueKind.String && found.GetValue<string>() == text;
        if (found.GetValueKind() != JsonValueKind.Number) return false;
        var measured = double.Parse(found.ToJsonString(), CultureInfo.InvariantCulture);
        return (expected.Value is not { } value || Math.Abs(measured - value) <= expected.Tolerance)
            && !(measured < expected.AtLeast) && !(measured > expected.AtMost);
    }

    private static string Measured(JsonNode found) => found.GetValueKind() == JsonValueKind.String
        ? DisplayText.QuotedStart(found.GetValue<string>(), MostShown)
        : DisplayText.OneLine(found.ToJsonString()) is { Length: > MostShown } text ? text[..MostShown] + "…"
        : DisplayText.OneLine(found.ToJsonString());

    private static string Words(ExpectedValue? value)
    {
        if (value is null) return "yes";
        string Number(double x) => x.ToString("G9", CultureInfo.InvariantCulture);
        string?[] parts = [value.Text is { } text ? DisplayText.Quoted(text) : null,
            value.Value is { } v ? $"{Number(v)}{(value.Tolerance > 0 ? $" ± {Number(value.Tolerance)}" : "")}" : null,
            value.AtLeast is { } least ? $"≥ {Number(least)}" : null, value.AtMost is { } most ? $"≤ {Number(most)}" : null];
        return string.Join(", ", parts.OfType<string>());
    }
}

/// <summary>What a command did.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">What it printed.</param>
/// <param name="Error">What it said on stderr.</param>
internal sealed record CommandOutcome(int Code, string Output, string Error);

/// <summary>How a value came out.</summary>
internal enum Verdict
{
    /// <summary>As expected.</summary>
    Passed,

    /// <summary>Not as expected.</summary>
    Failed,

    /// <summary>Not as expected, in a group that is told and not judged.</summary>
    Differs,
}

/// <summary>An expected value, and what was measured.</summary>
/// <param name="Command">As it was run.</param>
/// <param name="Expected">In words.</param>
/// <param name="Measured">In words; a dash where there is none.</param>
/// <param name="Why">Why there is none; null: there is one.</param>
internal sealed record VerifiedValue(string Group, string Step, string What, string Source, IReadOnlyList<string> Command, string Expected,
    string Measured, Verdict Verdict, string? Why);
