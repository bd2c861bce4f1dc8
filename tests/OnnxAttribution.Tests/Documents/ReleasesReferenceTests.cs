namespace OnnxAttribution.Tests.Documents;

/// <summary>The page of releases is what the table says.</summary>
public sealed class ReleasesReferenceTests
{
    [Fact]
    public void The_page_of_releases_is_made_from_the_table() => MadeDocument.Holds(ReleasesReference.File, ReleasesReference.Text());
}
