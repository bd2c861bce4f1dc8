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
            var why = e is JsonException ? DisplayText.OneLine(e.Message) : FileFault.Words(e);
            throw new VerificationException($"{file} cannot be read as expected numbers ({why}); write groups of steps, as "
                + "docs/guides/verify.md says");
        }
    }

    private static ExpectedNumbers Read()
    {
        using var stream = typeof(ExpectedNumbers).Assembly.GetManifestResourceStream(Resource)!;
        return JsonSerializer.Deserialize(stream, VerificationJson.Default.ExpectedNumbers)!;
    }

    private ExpectedNumbers Checked()
    {
        var steps = Groups.SelectMany(g => g.Steps).ToList();
        if (steps.Count == 0) throw new JsonException("it has no step");
        if (steps.Find(s => s.Command.Count == 0) is { } empty) throw new JsonException($"the step '{empty.Id}' has no command");
        if (Groups.SelectMany(g => g.Files?.Keys ?? []).FirstOrDefault(f => f != Path.GetFileName(f)) is { } far)
        {
            throw new JsonException($"the file '{far}' is no name alone");
        }
        return this;
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
