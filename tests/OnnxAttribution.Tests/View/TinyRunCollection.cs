namespace OnnxAttribution.Tests.View;

[CollectionDefinition(Name)]
public sealed class TinyRunCollection : ICollectionFixture<TinyRun>
{
    public const string Name = "a run of models/tiny";
}
