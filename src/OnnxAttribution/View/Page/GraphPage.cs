using System.Net;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>A run as one HTML file that opens from disk: style, script and data in it,
/// nothing from outside, which its Content-Security-Policy forbids.</summary>
internal static class GraphPage
{
    public static void Write(RunPicture picture, FeatureDetails details, TextWriter output) =>
        new PageSkeleton("graph-page").Write(new Dictionary<string, string>
        {
            ["title"] = WebUtility.HtmlEncode(picture.Header.Title),
            ["validation"] = RunDirectory.HasTable(picture.Path, ValidationRow.Table) ? ValidationFigure.Inline(picture.Path) : "",
            ["data"] = PageData.Json(picture, details),
        }, output);
}
