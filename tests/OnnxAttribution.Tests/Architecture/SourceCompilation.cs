using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace OnnxAttribution.Tests.Architecture;

/// <summary>Sources as the compiler binds them, with the documentation of each symbol. What generators would add is missing,
/// and calls of it stay unbound.</summary>
internal sealed class SourceCompilation
{
    private const string Usings = "global using System; global using System.Collections.Generic; global using System.IO; "
        + "global using System.Linq; global using System.Threading; global using System.Threading.Tasks;";

    private readonly CSharpCompilation _compilation;
    private readonly Dictionary<ISymbol, XElement> _documents = new(SymbolEqualityComparer.Default);

    public SourceCompilation(IEnumerable<string> sources)
    {
        var options = new CSharpParseOptions(LanguageVersion.Preview, DocumentationMode.Parse);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(p => Path.GetFileNameWithoutExtension(p) is not ("OnnxAttribution" or "onnx-attribution" or "OnnxAttribution.Tests"))
            .Select(p => MetadataReference.CreateFromFile(p));
        _compilation = CSharpCompilation.Create("Sources", sources.Append(Usings).Select(s => CSharpSyntaxTree.ParseText(s, options)),
            references, new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
    }

    public static SourceCompilation OfLibrary() =>
        new(SourceTree.Paths("src/OnnxAttribution").Select(f => File.ReadAllText(Path.Combine(SourceTree.Root, "src/OnnxAttribution", f))));

    public SemanticModel Model(SyntaxTree tree) => _compilation.GetSemanticModel(tree);

    /// <summary>Members of public types that others can name, but for what the compiler makes of itself.</summary>
    public IEnumerable<ISymbol> PublicMembers() =>
        from outer in Types(_compilation.Assembly.GlobalNamespace)
        where outer.DeclaredAccessibility == Accessibility.Public
        from type in outer.GetTypeMembers().Prepend(outer)
        where type.DeclaredAccessibility == Accessibility.Public
        from member in type.GetMembers()
        where member.DeclaredAccessibility == Accessibility.Public && !member.DeclaringSyntaxReferences.IsEmpty
            && !member.IsImplicitlyDeclared && member is not (INamedTypeSymbol or IMethodSymbol { AssociatedSymbol: not null })
        select member;

    /// <summary>Text of a tag of a symbol's documentation; of what a method returns, its summary counts too.</summary>
    public string Documentation(ISymbol symbol, string tag, string? name = null)
    {
        var document = Document(symbol);
        return string.Join(' ', document.Elements()
            .Where(e => e.Name == tag || (tag == "returns" && e.Name == "summary"))
            .Where(e => name is null || (string?)e.Attribute("name") == name)
            .Select(e => e.Value));
    }

    /// <summary>The exceptions that a symbol's documentation names.</summary>
    public IReadOnlyList<ITypeSymbol> Exceptions(ISymbol symbol) =>
        [.. Document(symbol).Elements("exception").Select(e => Find((string?)e.Attribute("cref"))).OfType<ITypeSymbol>()];

    public static bool IsOrDerivesFrom(ITypeSymbol type, ITypeSymbol from)
    {
        for (ITypeSymbol? t = type; t is not null; t = t.BaseType)
        {
            if (SymbolEqualityComparer.Default.Equals(t, from)) return true;
        }
        return false;
    }

    private ISymbol? Find(string? id) => id is null ? null : DocumentationCommentId.GetFirstSymbolForDeclarationId(id, _compilation);

    // with what is inherited by name put in its place
    private XElement Document(ISymbol symbol)
    {
        symbol = symbol.OriginalDefinition;
        if (_documents.TryGetValue(symbol, out var known)) return known;
        var xml = symbol.GetDocumentationCommentXml();
        var document = string.IsNullOrEmpty(xml) ? new XElement("member") : XElement.Parse(xml);
        _documents[symbol] = document;
        foreach (var inherited in document.Elements("inheritdoc").ToList())
        {
            if (Find((string?)inherited.Attribute("cref")) is not { } from) continue;
            var path = ((string?)inherited.Attribute("path"))?.TrimStart('/');
            document.Add(Document(from).Elements().Where(e => path is null || e.Name == path));
        }
        return document;
    }

    private static IEnumerable<INamedTypeSymbol> Types(INamespaceSymbol space) =>
        space.GetTypeMembers().Concat(space.GetNamespaceMembers().SelectMany(Types));
}
