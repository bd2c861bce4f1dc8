namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>One browser and one set of pages; the tests take turns, so that frame times are not those of each other's work.</summary>
[CollectionDefinition(Name)]
public sealed class PageCollection : ICollectionFixture<PageBrowser>, ICollectionFixture<ExamplePages>, ICollectionFixture<Live.LivePages>,
    ICollectionFixture<BatchPages>
{
    public const string Name = "pages in a browser";
}
