namespace OnnxAttribution.View;

/// <summary>A band of nodes of one site.</summary>
/// <param name="Label">Short name of the site, such as <c>3.attn</c>; <c>metric</c>.</param>
/// <param name="Top">Its y; <paramref name="Bottom"/> lies below and is larger.</param>
internal sealed record PictureRow(string Label, double Top, double Bottom);
