using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>What a member throws, read off its body: what it throws itself, what the documentation of those it calls says that they throw,
/// and what private members of its type throw that say nothing. Exceptions that are caught there do not count.</summary>
internal sealed class ThrownExceptions(SourceCompilation code)
{
    private readonly HashSet<ISymbol> _seen = new(SymbolEqualityComparer.Default);

    public IEnumerable<ITypeSymbol> Of(ISymbol symbol) =>
        _seen.Add(symbol) ? symbol.DeclaringSyntaxReferences.SelectMany(r => OfBody(r.GetSyntax(), symbol)) : [];

    private IEnumerable<ITypeSymbol> OfBody(SyntaxNode body, ISymbol symbol)
    {
        // of a type there is no body of its own: a primary constructor's arguments go to the base
        if (body is BaseTypeDeclarationSyntax) return [];
        var model = code.Model(body.SyntaxTree);
        return body.DescendantNodes().SelectMany(node => At(node, model, symbol).Where(t => !IsCaught(node, t, model))).ToList();
    }

    private IEnumerable<ITypeSymbol> At(SyntaxNode node, SemanticModel model, ISymbol within) => node switch
    {
        ThrowStatementSyntax { Expression: { } e } => OfType(e, model),
        ThrowExpressionSyntax t => OfType(t.Expression, model),
        InvocationExpressionSyntax or ElementAccessExpressionSyntax or BaseObjectCreationExpressionSyntax
            when model.GetSymbolInfo(node).Symbol is { } called => OfCalled(called, within),
        MemberAccessExpressionSyntax or IdentifierNameSyntax
            when model.GetSymbolInfo(node).Symbol is IPropertySymbol read => OfCalled(read, within),
        _ => [],
    };

    private static IEnumerable<ITypeSymbol> OfType(ExpressionSyntax thrown, SemanticModel model) =>
        model.GetTypeInfo(thrown).Type is { TypeKind: not TypeKind.Error } type ? [type] : [];

    private IEnumerable<ITypeSymbol> OfCalled(ISymbol called, ISymbol within)
    {
        if (called.DeclaringSyntaxReferences.IsEmpty) return Guards(called);
        var said = code.Exceptions(called);
        var isOwn = SymbolEqualityComparer.Default.Equals(called.ContainingType, within.ContainingType);
        return said.Count == 0 && isOwn && called.DeclaredAccessibility == Accessibility.Private ? Of(called) : said;
    }

    // ArgumentException.ThrowIf…, and the token that throws what its name does not say
    private static IEnumerable<ITypeSymbol> Guards(ISymbol called) => called switch
    {
        IMethodSymbol { IsStatic: true, ContainingType.Name: var type } m when m.Name.StartsWith("ThrowIf", StringComparison.Ordinal)
            && type.EndsWith("Exception", StringComparison.Ordinal) => [m.ContainingType],
        IMethodSymbol { Name: "ThrowIfCancellationRequested" } m =>
            [m.ContainingAssembly.GetTypeByMetadataName("System.OperationCanceledException")!],
        _ => [],
    };

    private static bool IsCaught(SyntaxNode node, ITypeSymbol type, SemanticModel model) =>
        node.Ancestors().OfType<TryStatementSyntax>()
            .Where(t => t.Block.Span.Contains(node.Span))
            .SelectMany(t => t.Catches)
            .Where(c => !c.Block.DescendantNodes().OfType<ThrowStatementSyntax>().Any(s => s.Expression is null))
            .Any(c => Caught(c, model).Any(caught => SourceCompilation.IsOrDerivesFrom(type, caught)));

    // what a filter names, e is A or B; else what the clause declares; a bare catch takes all
    private static IEnumerable<ITypeSymbol> Caught(CatchClauseSyntax clause, SemanticModel model) =>
        clause.Filter is { } filter
            ? filter.DescendantNodes().OfType<TypeSyntax>().Select(t => model.GetSymbolInfo(t).Symbol).OfType<ITypeSymbol>()
        : clause.Declaration is { } declaration ? [model.GetTypeInfo(declaration.Type).Type!]
        : [model.Compilation.GetTypeByMetadataName("System.Exception")!];
}
