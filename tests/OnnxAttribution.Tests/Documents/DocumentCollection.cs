namespace OnnxAttribution.Tests.Documents;

/// <summary>Tests that share the runs that documents make.</summary>
[CollectionDefinition(Name)]
public sealed class DocumentCollection : ICollectionFixture<DocumentWorld>
{
    public const string Name = "documents";
}
