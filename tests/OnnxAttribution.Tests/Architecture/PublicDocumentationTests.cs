using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>
/// What the documentation of a public member has to say, beside being there at all (CS1591):
/// the unit or the shape of a number or an array, and every exception that the member throws.
/// </summary>
public sealed partial class PublicDocumentationTests
{
    // what a number can be; "no unit" is a share, a correlation or a ratio. A shape is written in brackets: [rows, T, d]
    private const string Units = "activation units|metric's unit|logits?|nats|probabilit(?:y|ies)|token ids?|tokens|bytes|seconds"
        + "|floating-point operations|no unit|UTF-8|how many";

    private const string Says = "/// <exception cref=\"ArgumentException\">No.</exception>\n";

    // what a member calls may throw, and does not when called so
    private static readonly Dictionary<(string Member, string Exception), string> s_never = new()
    {
        [("GraphRun.TextAt", "ArgumentOutOfRangeException")] = "the prompt's tokens are ids",
        [("Tokenizer.Open", "FormatException")] = "GPT-2's pattern is a constant",
        [("CertificateRun.Write", "ArgumentException")] = "the table's name is one of a run's, and none of its columns is 'run'",
        [("ValidationRun.Write", "ArgumentException")] = "the table's name is one of a run's, and none of its columns is 'run'",
    };

    private static readonly Lazy<SourceCompilation> s_library = new(() => SourceCompilation.OfLibrary());

    [Fact]
    public void A_number_or_an_array_says_its_unit_or_its_shape() => None(Unmeasured(s_library.Value));

    [Fact]
    public void A_member_says_what_it_throws() => None(Unsaid(s_library.Value));

    // CS1591 asks for neither
    [Fact]
    public void A_records_property_and_a_parameter_have_a_sentence() => None(Undescribed(s_library.Value));

    [Theory]
    [InlineData("/// <summary>Goes.</summary>\n/// <param name=\"far\">In steps.</param>\npublic void Go(int far) { }", true)]
    [InlineData("/// <summary>Goes.</summary>\npublic void Go(int far) { }", false)]
    [InlineData("/// <param name=\"Far\">In steps.</param>\npublic sealed record Way(int Far);", true)]
    [InlineData("/// <summary>A way.</summary>\npublic sealed record Way(int Far);", false)]
    public void A_sentence_is_found(string member, bool described) => Assert.Equal(described, !Undescribed(OneMember(member)).Any());

    [Theory]
    [InlineData("/// <summary>The strength, in activation units.</summary>\npublic float Strength => 1;", true)]
    [InlineData("/// <summary>[positions, features].</summary>\npublic float[] Strengths => [];", true)]
    [InlineData("/// <summary>The strength.</summary>\npublic float Strength => 1;", false)]
    [InlineData("/// <summary>Strengths.</summary>\npublic IReadOnlyList<double> Strengths => [];", false)]
    [InlineData("/// <summary>A claim.</summary>\npublic bool IsStrong => true;", true)]
    [InlineData("/// <param name=\"x\">Some strength.</param>\npublic bool IsStrong(float x) => x > 0;", false)]
    [InlineData("/// <param name=\"x\">In nats.</param>\npublic bool IsStrong(float x) => x > 0;", true)]
    [InlineData("/// <summary>A claim.</summary>\npublic bool IsStrong(double[] x) => true;", false)]
    public void A_unit_or_a_shape_is_found(string member, bool measured) => Assert.Equal(measured, !Unmeasured(OneMember(member)).Any());

    [Theory]
    [InlineData("public void Go() => throw new ArgumentException(\"no\");", false)]
    [InlineData(Says + "public void Go() => throw new ArgumentException(\"no\");", true)]
    [InlineData(Says + "public void Go() => throw new ArgumentNullException();", true)]
    [InlineData(Says + "public void Go() => throw new Exception();", false)]
    [InlineData("public void Go() => Refuse();\n" + Says + "internal void Refuse() => throw new ArgumentException(\"no\");", false)]
    [InlineData("public void Go() => Refuse();\nprivate void Refuse() => throw new ArgumentException(\"no\");", false)]
    [InlineData(Says + "private void Refuse() => throw new ArgumentException(\"no\");\n"
        + "/// <inheritdoc cref=\"Refuse\" path=\"/exception\"/>\npublic void Go() => Refuse();", true)]
    [InlineData("public void Go(CancellationToken cancel) => cancel.ThrowIfCancellationRequested();", false)]
    [InlineData("public void Go(int x) => ArgumentOutOfRangeException.ThrowIfLessThan(x, 1);", false)]
    [InlineData("public void Go() { try { throw new IOException(); } catch (IOException) { } }", true)]
    [InlineData("public void Go() { try { throw new IOException(); } catch (IOException) { throw; } }", false)]
    [InlineData("public void Go() { try { throw new IOException(); } catch (Exception e) when (e is IOException) { } }", true)]
    [InlineData("public void Go() { try { throw new IOException(); } catch (Exception e) when (e is FormatException) { } }", false)]
    [InlineData("internal void Go() => throw new ArgumentException(\"no\");", true)]
    public void A_member_that_throws_is_found(string members, bool said) => Assert.Equal(said, !Unsaid(OneMember(members)).Any());

    private static SourceCompilation OneMember(string member) =>
        new([$"namespace Sample;\n/// <summary>A sample.</summary>\npublic sealed class Sample\n{{\n{member}\n}}"]);

    private static IEnumerable<string> Unmeasured(SourceCompilation code) =>
        from symbol in code.PublicMembers()
        from part in Parts(symbol)
        where IsMeasured(part.Type) && !Measure().IsMatch(code.Documentation(symbol, part.Tag, part.Name))
        select $"{symbol.ToDisplayString()}{(part.Tag == "param" ? $", {part.Name}" : "")} names neither unit nor shape";

    // what of a member has a type: itself, or what it returns and takes
    private static IEnumerable<(ITypeSymbol Type, string Tag, string? Name)> Parts(ISymbol symbol) => symbol switch
    {
        IPropertySymbol p => [(p.Type, "summary", null)],
        IFieldSymbol f => [(f.Type, "summary", null)],
        // what a record's constructor takes are its properties
        IMethodSymbol { MethodKind: MethodKind.Constructor, ContainingType.IsRecord: true } => [],
        IMethodSymbol m => m.Parameters.Select(p => (p.Type, "param", (string?)p.Name)).Prepend((m.ReturnType, "returns", null)),
        _ => [],
    };

    // floats, longs (bytes and operations), and whatever holds many numbers
    private static bool IsMeasured(ITypeSymbol type) => type switch
    {
        IArrayTypeSymbol => true,
        { SpecialType: SpecialType.System_Single or SpecialType.System_Double or SpecialType.System_Int64 } => true,
        INamedTypeSymbol { Name: "Nullable", TypeArguments: [var inner] } => IsMeasured(inner),
        INamedTypeSymbol { Name: "ReadOnlySpan" or "Span" or "Memory" or "ReadOnlyMemory" } => true,
        INamedTypeSymbol { TypeArguments: [.., var last], Name: "IReadOnlyList" or "IReadOnlyDictionary" or "IEnumerable" } =>
            IsMeasured(last) || last.SpecialType == SpecialType.System_Int32,
        INamedTypeSymbol { IsTupleType: true } tuple => tuple.TupleElements.Any(e => IsMeasured(e.Type)),
        _ => false,
    };

    private static IEnumerable<string> Undescribed(SourceCompilation code) =>
        from symbol in code.PublicMembers()
        from part in symbol is IPropertySymbol ? [("summary", (string?)null)] : Parameters(symbol)
        where code.Documentation(symbol, part.Item1, part.Item2).Length == 0
        select $"{symbol.ToDisplayString()}{(part.Item2 is { } name ? $", {name}" : "")} has no sentence";

    private static IEnumerable<(string Tag, string? Name)> Parameters(ISymbol symbol) =>
        Parts(symbol).Where(p => p.Tag == "param").Select(p => (p.Tag, p.Name));

    private static IEnumerable<string> Unsaid(SourceCompilation code) =>
        from symbol in code.PublicMembers()
        let said = code.Exceptions(symbol)
        from thrown in new ThrownExceptions(code).Of(symbol)
        where thrown.DeclaredAccessibility == Accessibility.Public && !said.Any(s => SourceCompilation.IsOrDerivesFrom(thrown, s))
            && !s_never.ContainsKey(($"{symbol.ContainingType.Name}.{symbol.Name}", thrown.Name))
        select $"{symbol.ToDisplayString()} throws {thrown.Name} and does not say when";

    private static void None(IEnumerable<string> faults)
    {
        var all = string.Join('\n', faults.Distinct());
        Assert.True(all.Length == 0, all);
    }

    [GeneratedRegex($@"\[[^\[\]]+\]|\b(?:{Units})\b", RegexOptions.IgnoreCase)]
    private static partial Regex Measure();
}
