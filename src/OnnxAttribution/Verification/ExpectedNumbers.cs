using System.Text.Json;
using System.Text.Json.Serialization;
using OnnxAttribution.Files;

namespace OnnxAttribution.Verification;

/// <summary>Commands of this program, and the numbers that their JSON has to hold: what <c>verify</c> runs. The program's own are
/// expected.json, which tests/references/expected_numbers.py writes.</summary>
/// <param name="Groups">In the order of their runs.</param>
internal sealed record ExpectedNumbers(IReadOnlyList<ExpectedGroup> Groups)
{
    private const string Resource = "expected.json";

    private static readonly string[] s_needs = ["model", "checkpoint", "dictionaries"];

    /// <summary>Those of this program.</summary>
    public static ExpectedNumbers Known { get; } = Read();

    /// <summary>Somebody's own.</summary>
    /// <exception cref="VerificationException">The file is missing, or no such JSON.</exception>
    public static ExpectedNumbers Open(string file)
    {
        try
        {
            return JsonSerializer.Deserialize(RegularFile.ReadAllBytes(file), VerificationJson.Default.ExpectedNumbers)?.Checked()
                ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            var why = e is JsonException ? JsonFault.Words(e) : FileFault.Words(e);
            throw new VerificationException($"{file} cannot be read as expected numbers ({why}); write groups of steps, as "
                + "docs/guides/verify.md says");
        }
    }

    private static ExpectedNumbers Read()
    {
        using var stream = typeof(ExpectedNumbers).Assembly.GetManifestResourceStream(Resource)!;
        return JsonSerializer.Deserialize(stream, VerificationJson.Default.ExpectedNumbers)!;
    }

    // what the serializer lets through
    private ExpectedNumbers Checked()
    {
        if (Groups.Contains(null!)) throw new JsonException("a group is null");
        foreach (var group in Groups) Check(group);
        return Groups.Any(g => g.Steps.Count > 0) ? this : throw new JsonException("it has no step");
    }

    private static void Check(ExpectedGroup group)
    {
        if (group.Needs.FirstOrDefault(n => !s_needs.Contains(n)) is var other && group.Needs.Any(n => !s_needs.Contains(n)))
        {
            throw new JsonException($"group '{group.Name}' needs '{other}', and there is only {string.Join(", ", s_needs)}");
        }
        foreach (var (name, text) in group.Files ?? new Dictionary<string, string>())
        {
            if (name is "" or "." or ".." || name.Contains('\0') || name != Path.GetFileName(name))
            {
                throw new JsonException($"the file '{name}' is no name alone");
            }
            if (text is null) throw new JsonException($"the file '{name}' has no text");
        }
        if (group.Steps.Contains(null!)) throw new JsonException($"a step of '{group.Name}' is null");
        foreach (var step in group.Steps) Check(step);
    }

    private static void Check(ExpectedStep step)
    {
        if (step.Command.Count == 0) throw new JsonException($"the step '{step.Id}' has no command");
        if (step.Command.Contains(null!)) throw new JsonException($"a word of the step '{step.Id}' is null");
        if (step.Command[0] == "verify") throw new JsonException($"the step '{step.Id}' would verify itself");
        if (step.Values.Contains(null!)) throw new JsonException($"a value of the step '{step.Id}' is null");
        foreach (var value in step.Values)
        {
            double?[] numbers = [value.Value, value.AtLeast, value.AtMost];
            if (value.Path.Count == 0) throw new JsonException($"'{value.What}' of '{step.Id}' has no path");
            if (value.Text is null == numbers.All(n => n is null))
            {
                throw new JsonException($"'{value.What}' of '{step.Id}' expects neither a text nor a number, or both");
            }
            if (!numbers.All(n => n is null || double.IsFinite(n.Value)) || !(value.Tolerance >= 0 && double.IsFinite(value.Tolerance)))
            {
                throw new JsonException($"'{value.What}' of '{step.Id}' expects a number or a tolerance that is none");
            }
        }
    }
}

/// <summary>Numbers that are checked together.</summary>
/// <param name="Name">By which it is asked for.</param>
/// <param name="Needs">Placeholders that have to be given for it: <c>model</c>, <c>checkpoint</c>, <c>dictionaries</c>.</param>
internal sealed record ExpectedGroup(string Name, IReadOnlyList<string> Needs, IReadOnlyList<ExpectedStep> Steps)
{
    /// <summary>Texts that lie in the working folder before the first step, by name; null: none.</summary>
    public IReadOnlyDictionary<string, string>? Files { get; init; }

    /// <summary>Told and not judged: which set-up the numbers came from is itself the question.</summary>
    public bool IsReported { get; init; }
}

/// <summary>A command, and what it has to print.</summary>
/// <param name="Id">Its name, unique in its group.</param>
/// <param name="Source">Where the numbers are from.</param>
/// <param name="Command">Words behind <c>onnx-attribution</c>; <c>{model}</c>, <c>{checkpoint}</c>, <c>{dictionaries}</c> and
/// <c>{work}</c>, a folder that is thrown away, stand for paths.</param>
internal sealed record ExpectedStep(string Id, string Source, IReadOnlyList<string> Command, IReadOnlyList<ExpectedValue> Values)
{
    /// <summary>What it writes, as later commands name it, such as <c>{work}/graph</c>; null: nothing.</summary>
    public string? Writes { get; init; }
}

/// <summary>A value of the JSON that a command prints.</summary>
/// <param name="What">In words.</param>
/// <param name="Path">To it: names of properties, places in lists from 0 (from the end below 0), and objects such as
/// <c>{"token": ")"}</c>, which mean the first of a list that has these values; <c>"#"</c> is how many there are.</param>
internal sealed record ExpectedValue(string What, IReadOnlyList<JsonElement> Path)
{
    /// <summary>A number; null: none.</summary>
    public double? Value { get; init; }

    /// <summary>How far it may be from that, either way.</summary>
    public double Tolerance { get; init; }

    /// <summary>A number that it must reach; null: none.</summary>
    public double? AtLeast { get; init; }

    /// <summary>A number that it must not pass; null: none.</summary>
    public double? AtMost { get; init; }

    /// <summary>A text that it is; null: it is a number.</summary>
    public string? Text { get; init; }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ExpectedNumbers))]
internal sealed partial class VerificationJson : JsonSerializerContext;
