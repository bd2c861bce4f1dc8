using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace OnnxAttribution.View.Page;

/// <summary>A page of one file, put together from what the library carries: a skeleton, a style and a script. A browser is allowed these by
/// their hashes and nothing else.</summary>
/// <param name="name">Of the resources, such as <c>graph-page</c>.</param>
internal sealed class PageSkeleton(string name)
{
    /// <summary>The skeleton's name, where it is another's.</summary>
    public string? Html { get; init; }

    /// <summary>What scripts may do beside, in the policy's words, a space before each.</summary>
    public string Allowed { get; init; } = "";

    /// <summary>Writes the page.</summary>
    /// <param name="parts">What stands in the skeleton between double braces, the title among it; without policy, style and script, which
    /// stand in the head that all pages have.</param>
    public void Write(IReadOnlyDictionary<string, string> parts, TextWriter output)
    {
        string style = Resource($"{name}.css"), script = Resource($"{name}.js");
        var all = new Dictionary<string, string>(parts)
        {
            ["csp"] = $"default-src 'none'; script-src '{Hash(script)}'{Allowed}; style-src '{Hash(style)}'; img-src data: blob:; "
                + "base-uri 'none'; form-action 'none'",
            ["style"] = style,
            ["script"] = script,
        };
        Fill(Resource($"{Html ?? name}.html").Replace("{{head}}", Resource("page-head.html"), StringComparison.Ordinal), all, output);
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

    /// <summary>A part of a page that is carried as it stands.</summary>
    public static byte[] Bytes(string name)
    {
        using var stream = Open(name);
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>A part of a page, as text.</summary>
    public static string Resource(string name)
    {
        using var reader = new StreamReader(Open(name), Encoding.UTF8);
        // a browser reads \r\n as \n, and hashes what it reads
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    private static Stream Open(string name) => Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
        ?? throw new InvalidOperationException($"{name} is no resource of this library; build it again");
}
