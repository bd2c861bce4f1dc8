using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using OnnxAttribution.Store;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.View.Page;

/// <summary>A run as one HTML file that opens from disk: style, script and data in it,
/// nothing from outside, which its Content-Security-Policy forbids.</summary>
internal static class GraphPage
{
    /// <param name="live">What it runs the model with; null: it does not.</param>
    public static void Write(RunPicture picture, DashboardCards cards, TextWriter output, LiveParts? live = null)
    {
        var kind = live is null ? "graph" : "live";
        string style = Resource($"{kind}-page.css"), script = Resource($"{kind}-page.js");
        var runs = live is null ? "" : live.IsFolder ? " 'self' 'wasm-unsafe-eval'" : " 'wasm-unsafe-eval'";
        var parts = new Dictionary<string, string>
        {
            ["csp"] = $"default-src 'none'; script-src '{Hash(script)}'{runs}; style-src '{Hash(style)}'; img-src data: blob:; "
                + "base-uri 'none'; form-action 'none'",
            ["title"] = WebUtility.HtmlEncode(picture.Header.Title),
            ["style"] = style,
            ["validation"] = RunDirectory.HasTable(picture.Path, ValidationRow.Table) ? ValidationFigure.Inline(picture.Path) : "",
            ["data"] = PageData.Json(picture, cards),
            ["live"] = live is null ? "" : string.Concat(live.Elements) + Resource("live-licences.html"),
            ["module"] = live is null ? "" : " type=\"module\"",
            ["script"] = script,
        };
        Fill(Resource("graph-page.html"), parts, output);
    }

    // one pass, so that what is put in is never looked at again: a prompt may hold {{data}}
    private static void Fill(string skeleton, IReadOnlyDictionary<string, string> parts, TextWriter output)
    {
        var rest = skeleton.AsSpan();
        for (var open = rest.IndexOf("{{"); open >= 0; open = rest.IndexOf("{{"))
        {
            var close = rest.IndexOf("}}");
            output.Write(rest[..open]);
            output.Write(parts[rest[(open + 2)..close].ToString()]);
            rest = rest[(close + 2)..];
        }
        output.Write(rest);
    }

    private static string Hash(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    /// <summary>A part of the page that is carried as it stands.</summary>
    public static byte[] Bytes(string name)
    {
        using var stream = Open(name);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static Stream Open(string name) => Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
        ?? throw new InvalidOperationException($"{name} is no resource of this library; build it again");

    private static string Resource(string name)
    {
        using var reader = new StreamReader(Open(name), Encoding.UTF8);
        // a browser reads \r\n as \n, and hashes what it reads
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
