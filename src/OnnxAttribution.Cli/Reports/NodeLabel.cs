using OnnxAttribution.Attribution;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What reports call a node.</summary>
internal static class NodeLabel
{
    /// <summary>Such as <c>3.resid 953 @5 'token'</c>; the final residual site is <c>resid_post</c>;
    /// a token with which a graph of transcoders begins, <c>token @5 'the'</c>, and all of them <c>tokens</c>. A feature's label
    /// stands behind it.</summary>
    /// <param name="tokenAt">Text of the token at a position; null where it is not known.</param>
    public static string Of(CausalNode node, Func<int, string?> tokenAt, RunLabels labels) =>
        Of(node, tokenAt) + (node.IsError || node.IsToken ? "" : labels.Behind(node.Site.Name, node.Feature));

    private static string Of(CausalNode node, Func<int, string?> tokenAt)
    {
        var token = node.Position < 0 ? null : tokenAt(node.Position);
        var at = node.Position < 0 ? "" : token is null ? $" @{node.Position}" : $" @{node.Position} {DisplayText.Quoted(token)}";
        if (node.IsToken) return node.Position < 0 ? "tokens" : $"token{at}";
        return $"{node.Site.ShortName} {(node.IsLump ? "other errors" : node.IsError ? "error" : node.Feature)}{at}";
    }
}
