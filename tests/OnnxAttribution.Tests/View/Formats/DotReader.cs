using System.Text;

namespace OnnxAttribution.Tests.View.Formats;

/// <summary>A reader of the part of DOT that a digraph of nodes, edges and ranks needs, after Graphviz's grammar.</summary>
internal sealed class DotReader
{
    private readonly List<(string Text, bool Quoted)> _tokens;
    private int _at;

    public DotReader(string text)
    {
        _tokens = Tokens(text);
        Take("digraph");
        _at++;
        Block();
        Assert.Equal(_tokens.Count, _at);
    }

    public Dictionary<string, Dictionary<string, string>> Nodes { get; } = [];
    public List<(string Up, string Down, Dictionary<string, string> Attributes)> Edges { get; } = [];
    public Dictionary<string, List<string>> Ranks { get; } = [];
    public Dictionary<string, string> Graph { get; private set; } = [];

    private void Block(List<string>? rank = null)
    {
        Take("{");
        while (!Is("}")) Statement(rank);
        Take("}");
    }

    private void Statement(List<string>? rank)
    {
        if (Is("subgraph"))
        {
            Block(Ranks[_tokens[(_at += 2) - 1].Text] = []);
            return;
        }
        var (name, quoted) = _tokens[_at++];
        if (Is("="))
        {
            _at += 2;
            Take(";");
        }
        else if (Is("->"))
        {
            var down = _tokens[++_at].Text;
            _at++;
            Edges.Add((name, down, Attributes()));
        }
        else if (!quoted && name is "graph" or "node" or "edge")
        {
            var attributes = Attributes();
            if (name == "graph") Graph = attributes;
        }
        else
        {
            Nodes.Add(name, Attributes());
            rank?.Add(name);
        }
    }

    private Dictionary<string, string> Attributes()
    {
        var result = new Dictionary<string, string>();
        Take("[");
        while (!Is("]"))
        {
            var name = _tokens[_at++].Text;
            Take("=");
            result[name] = _tokens[_at++].Text;   // the last of two counts, as in Graphviz
            if (Is(",")) _at++;
        }
        Take("]");
        Take(";");
        return result;
    }

    private bool Is(string text) => !_tokens[_at].Quoted && _tokens[_at].Text == text;

    private void Take(string text)
    {
        Assert.True(Is(text), $"'{_tokens[_at].Text}' where '{text}' was to be");
        _at++;
    }

    private static List<(string, bool)> Tokens(string text)
    {
        var result = new List<(string, bool)>();
        for (var i = 0; i < text.Length;)
        {
            if (char.IsWhiteSpace(text[i]))
            {
                i++;
            }
            else if (text[i] == '"')
            {
                var value = new StringBuilder();
                for (i++; text[i] != '"'; i++)
                {
                    Assert.True(text[i] is not ('\r' or '\n' or '\0'));
                    if (text[i] == '\\') value.Append(text[++i] switch { 'n' => '\n', var c => c });
                    else value.Append(text[i]);
                }
                i++;
                result.Add((value.ToString(), true));
            }
            else if (text.AsSpan(i).StartsWith("->"))
            {
                result.Add(("->", false));
                i += 2;
            }
            else if (char.IsLetterOrDigit(text[i]) || text[i] is '-' or '_' or '.')
            {
                var end = i + 1;
                while (char.IsLetterOrDigit(text[end]) || text[end] is '_' or '.') end++;
                result.Add((text[i..end], false));
                i = end;
            }
            else
            {
                result.Add((text[i++].ToString(), false));
            }
        }
        return result;
    }
}
