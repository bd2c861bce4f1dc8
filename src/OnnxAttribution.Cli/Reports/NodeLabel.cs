using OnnxAttribution.Attribution;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What reports call a node.</summary>
internal static class NodeLabel
{
    /// <summary>Such as <c>3.resid 953 @5 'token'</c>; the final residual site is <c>resid_post</c>.</summary>
    public static string Of(CausalNode node, Func<int, string> tokenAt)
    {
        var at = node.Position < 0 ? "" : $" @{node.Position} {DisplayText.Quoted(tokenAt(node.Position))}";
        return $"{node.Site.ShortName} {(node.IsError ? "error" : node.Feature)}{at}";
    }
}
