using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Files;

/// <summary>Damages of a file, each by its seed: of its bytes, and of its JSON where it is JSON.</summary>
internal static class DamagedFile
{
    // what a value becomes: too small, too large, of another kind, not there
    private static readonly string[] s_values =
        ["null", "-1", "0", "1e400", "99999999999", "2147483647", "0.5", "true", "\"\"", "\"\\ud800\"", "\"\\u001b[31m\\u202e\"",
            "\"../../etc/passwd\"", "[]", "[null]", "{}", "{\"a\":null}", "[[],{}]", "\"blocks.99.hook_mlp_out\"", "NaN"];

    private static readonly string[] s_insertions = ["\0", "\u001b", "\"", "}", "]", ",", "{", "\\ud800", "\xff", "9999999999", "-"];

    public static byte[] Of(byte[] whole, int seed)
    {
        var random = new Random(seed);
        return seed % 2 == 0 && IsJson(whole) ? OfJson(whole, random) : OfBytes(whole, random);
    }

    private static bool IsJson(byte[] bytes)
    {
        var reader = new Utf8JsonReader(bytes);
        return bytes is [(byte)'{', ..] && JsonDocument.TryParseValue(ref reader, out _)
            && bytes.AsSpan((int)reader.BytesConsumed).IndexOfAnyExcept("\r\n "u8) < 0;
    }

    private static byte[] OfJson(byte[] whole, Random random)
    {
        const string Mark = "@damaged@";
        var root = JsonNode.Parse(whole)!;
        var places = Places(root).ToList();
        // few of a vocabulary's thousand tokens matter more than any other
        var (parent, key) = places[random.Next(2) == 0 ? random.Next(Math.Min(places.Count, 40)) : random.Next(places.Count)];
        switch (parent)
        {
            case JsonObject o when random.Next(4) == 0: o.Remove((string)key); break;
            case JsonObject o: o[(string)key] = Mark; break;
            case JsonArray a: a[(int)key] = Mark; break;
        }
        return Encoding.UTF8.GetBytes(root.ToJsonString().Replace($"\"{Mark}\"", s_values[random.Next(s_values.Length)]));
    }

    private static IEnumerable<(JsonNode Parent, object Key)> Places(JsonNode? node)
    {
        IEnumerable<(JsonNode, object, JsonNode?)> own = node switch
        {
            JsonObject o => o.Select(p => ((JsonNode)o, (object)p.Key, p.Value)).ToList(),
            JsonArray a => a.Select((v, i) => ((JsonNode)a, (object)i, v)).ToList(),
            _ => [],
        };
        foreach (var (parent, key, _) in own) yield return (parent, key);
        foreach (var (_, _, value) in own)
        {
            foreach (var place in Places(value)) yield return place;
        }
    }

    private static byte[] OfBytes(byte[] whole, Random random)
    {
        if (whole.Length == 0) return [0xFF];
        // heads and ends hold what a reader goes by
        var head = Math.Min(whole.Length, 700);
        var at = random.Next(4) switch
        {
            0 => random.Next(whole.Length),
            1 => whole.Length - 1 - random.Next(head),
            _ => random.Next(head)
        };
        var length = Math.Min(1 + random.Next(12), whole.Length - at);
        switch (random.Next(6))
        {
            case 0: return whole[..at];
            case 1: return [.. whole[..at], .. whole[(at + length)..]];
            case 2: return [.. whole[..at], .. Encoding.Latin1.GetBytes(s_insertions[random.Next(s_insertions.Length)]), .. whole[at..]];
            case 3: return [.. whole[..(at + length)], .. whole[at..]];
            default:
                byte[] changed = [.. whole];
                for (var i = at; i < at + (random.Next(2) == 0 ? 1 : length); i++)
                {
                    changed[i] = random.Next(3) switch
                    {
                        0 => 0xFF,
                        1 => (byte)(changed[i] ^ (1 << random.Next(8))),
                        _ => (byte)random.Next(256)
                    };
                }
                return changed;
        }
    }
}
