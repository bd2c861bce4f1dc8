using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>What is asked of every method: 40 lines, five parameters,
/// and no boolean that a caller of a public member has to guess.</summary>
public sealed class LimitTests
{
    private const int MostLines = 40, MostParameters = 5;

    [Theory, InlineData("src"), InlineData("tests")]
    public void No_method_is_over_40_lines(string folder) => None(Offenders(folder, LinesOf));

    /// <summary>Positional members of records are data and may be more: <see cref="IsData"/>.</summary>
    [Theory, InlineData("src"), InlineData("tests")]
    public void No_method_has_more_than_five_parameters(string folder) => None(Offenders(folder, ParametersOf));

    [Fact]
    public void No_public_member_has_a_boolean_parameter()
    {
        var members = typeof(OnnxAttribution.Onnx.OnnxGraph).Assembly.GetExportedTypes()
            .SelectMany(t => t.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .OfType<MethodBase>()
            .Where(m => !IsMade(m));
        None(members.SelectMany(m => m.GetParameters()
            .Where(p => (Nullable.GetUnderlyingType(p.ParameterType) ?? p.ParameterType) == typeof(bool))
            .Select(p => $"{m.DeclaringType!.FullName}.{m.Name}: {p.Name}")));
    }

    private static void None(IEnumerable<string> offenders)
    {
        var all = string.Join('\n', offenders);
        Assert.True(all.Length == 0, all);
    }

    private static IEnumerable<string> Offenders(string folder, Func<SyntaxNode, string?> judge) =>
        from file in SourceTree.Paths(folder)
        let root = CSharpSyntaxTree.ParseText(File.ReadAllText(Path.Combine(SourceTree.Root, folder, file))).GetRoot()
        from node in root.DescendantNodes()
        let fault = judge(node)
        where fault is not null
        select $"{file}:{node.GetLocation().GetLineSpan().StartLinePosition.Line + 1}: {fault}";

    // from the name to the closing brace; comments and attributes above do not count
    private static string? LinesOf(SyntaxNode node)
    {
        if (node is not (BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax)) return null;
        var lines = node.GetLocation().GetLineSpan();
        var first = node.ChildNodesAndTokens().First(c => !c.IsKind(SyntaxKind.AttributeList)).GetLocation()!.GetLineSpan();
        var count = lines.EndLinePosition.Line - first.StartLinePosition.Line + 1;
        return count > MostLines ? $"{NameOf(node)} has {count} lines" : null;
    }

    private static string? ParametersOf(SyntaxNode node)
    {
        var list = node switch
        {
            BaseMethodDeclarationSyntax m => m.ParameterList,
            LocalFunctionStatementSyntax f => f.ParameterList,
            TypeDeclarationSyntax t when !IsData(t) => t.ParameterList,
            DelegateDeclarationSyntax d => d.ParameterList,
            _ => null,
        };
        var count = list?.Parameters.Count ?? 0;
        return count > MostParameters ? $"{NameOf(node)} has {count} parameters" : null;
    }

    private static bool IsData(TypeDeclarationSyntax type) => type is RecordDeclarationSyntax;

    private static string NameOf(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax m => m.Identifier.Text,
        LocalFunctionStatementSyntax f => f.Identifier.Text,
        ConstructorDeclarationSyntax c => c.Identifier.Text + ".ctor",
        BaseTypeDeclarationSyntax t => t.Identifier.Text + ".ctor",
        DelegateDeclarationSyntax d => d.Identifier.Text,
        _ => node.Kind().ToString(),
    };

    // what the compiler makes for records, and their positional members, which are data
    private static bool IsMade(MethodBase method) =>
        method.IsSpecialName && method is MethodInfo
        || method.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute))
        || method is ConstructorInfo or { Name: "Deconstruct" } && method.DeclaringType!.GetMethod("<Clone>$") is not null
        || method is ConstructorInfo && method.DeclaringType!.IsValueType;
}
