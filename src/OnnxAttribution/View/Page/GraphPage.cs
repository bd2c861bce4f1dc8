using System.Net;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>A run as one HTML file that opens from disk: style, script and data in it,
/// nothing from outside, which its Content-Security-Policy forbids.</summary>
internal static class GraphPage
{
    /// <param name="file">Where the page will lie: it says where its run is from there.</param>
    /// <param name="live">What it runs the model with; null: it does not.</param>
    public static void Write(RunPicture picture, FeatureDetails details, string file, TextWriter output, LiveParts? live = null) =>
        Skeleton(live).Write(new Dictionary<string, string>
        {
            ["title"] = WebUtility.HtmlEncode(TokenLabel.Line(picture.Header.Title)),
            ["validation"] = RunDirectory.HasTable(picture.Path, ValidationRow.Table) ? ValidationFigure.Inline(picture.Path) : "",
            ["data"] = PageData.Json(picture, details, file),
            ["live"] = live is null ? "" : string.Concat(live.Elements) + PageSkeleton.Resource("live-licences.html"),
            ["module"] = live is null ? "" : " type=\"module\"",
        }, output);

    /// <param name="file">Where the page will lie.</param>
    public static void Write(ComparedPicture compared, FeatureDetails details, string file, TextWriter output) =>
        Skeleton(live: null).Write(new Dictionary<string, string>
        {
            ["title"] = WebUtility.HtmlEncode(compared.Title),
            ["validation"] = "",
            ["data"] = PageData.Json(compared, details, file),
            ["live"] = "",
            ["module"] = "",
        }, output);

    private static PageSkeleton Skeleton(LiveParts? live) => live is null ? new PageSkeleton("graph-page")
        : new PageSkeleton("live-page")
        {
            Html = "graph-page",
            // a folder's scripts hold nothing but weights
            Allowed = live.IsFolder ? " 'self' 'wasm-unsafe-eval'" : " 'wasm-unsafe-eval'",
        };
}
