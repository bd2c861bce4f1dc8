namespace OnnxAttribution.Tests.View;

/// <summary>Tests that read <see cref="TinyRuns"/>, which are made once for all of them.</summary>
[CollectionDefinition(nameof(TinyRuns))]
public sealed class TinyRunsCollection : ICollectionFixture<TinyRuns>;
