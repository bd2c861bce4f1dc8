using System.Text;
using System.Text.Json.Nodes;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Tokenizers;

public sealed class TokenizerJsonTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("model.type", "\"Unigram\"", "has the model 'Unigram'; only BPE is known")]
    [InlineData("model.type", "\"WordPiece\"", "has the model 'WordPiece'; only BPE is known")]
    [InlineData("model.dropout", "0.1", "has model.dropout = '0.1'")]
    [InlineData("model.end_of_word_suffix", "\"</w>\"", "has model.end_of_word_suffix = '</w>': it is not known here")]
    [InlineData("model.new_option", "true", "has model.new_option = 'True': this field is not known here")]
    [InlineData("model.fuse_unk", "1", "has model.fuse_unk = '1': it must be true or false")]
    [InlineData("model.unk_token", "\"<none>\"", "has the unk_token '<none>', which is not in its vocab")]
    [InlineData("model.merges", "null", "has no model.merges, without which characters never become words")]
    [InlineData("model.merges", "[]", "has no model.merges")]
    [InlineData("model.merges", "[\"a b c\"]", "has the merge 0 'a b c', not two tokens")]
    [InlineData("model.merges", "[[\"a\"]]", "has the merge 0 '[\"a\"]', not two tokens")]
    [InlineData("model.merges", "[\"a c\"]", "names 'c' in merge 0, which is not in its vocab")]
    [InlineData("model.vocab", "null", "has no model.vocab")]
    [InlineData("model.vocab", "{}", "has an empty model.vocab")]
    [InlineData("model.vocab", "{\"a\":0,\"b\":0}", "gives token 'b' the id '0'")]
    [InlineData("model.vocab", "{\"a\":-1}", "gives token 'a' the id '-1'")]
    [InlineData("model.vocab", "{\"a\":1e12}", "gives token 'a' the id '1e12'")]
    [InlineData("model.vocab", "{\"a\":\"b\"}", "gives token 'a' the id 'b'")]
    [InlineData("model", "null", "has no model")]
    [InlineData("model", "[]", "has model = '[]': it must be an object")]
    [InlineData("added_tokens", "[{\"id\":0,\"content\":\"b\"}]", "has the added token 'b' with the id 0, which its vocab contradicts")]
    [InlineData("added_tokens", "[{\"id\":0,\"content\":\"x\"}]", "has the added token 'x' with the id 0, which its vocab contradicts")]
    [InlineData("added_tokens", "[{\"id\":7,\"content\":\"\"}]", "has an added token '' with the id 7")]
    [InlineData("normalizer", "{\"type\":\"Lowercase\"}",
        "has normalizer.type = 'Lowercase', which is not known here; NFC, Prepend, Replace and Sequence are")]
    [InlineData("normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]}",
        "has normalizer.normalizers[0].type = 'NFKC'")]
    [InlineData("pre_tokenizer", "{\"type\":\"Whitespace\"}", "has pre_tokenizer.type = 'Whitespace', which is not known here")]
    [InlineData("pre_tokenizer", "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{\"type\":\"Digits\"}]}",
        "has pre_tokenizer.pretokenizers[1].type = 'Digits': nothing is known here that follows ByteLevel")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{Han}\"},\"behavior\":\"Isolated\",\"invert\":false}",
        "has pre_tokenizer.pattern.Regex = '\\p{Han}': '\\p{Han}' in it is not known here")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"0\",\"invert\":false}",
        "has pre_tokenizer.behavior = '0': Removed, Isolated, ")]
    [InlineData("pre_tokenizer", "{\"type\":\"Split\",\"behavior\":\"Isolated\"}", "has no pre_tokenizer.pattern")]
    [InlineData("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"_\"}",
        "has pre_tokenizer.replacement = '_': only '\u2581' is known")]
    [InlineData("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"last\"}",
        "has pre_tokenizer.prepend_scheme = 'last': always, first and never are known")]
    [InlineData("post_processor", "{\"type\":\"BertProcessing\"}", "has post_processor.type = 'BertProcessing', which is not known here")]
    [InlineData("extra", "1", "has extra = '1': this field is not known here")]
    public void What_is_not_known_is_refused_by_name(string place, string value, string reason)
    {
        var json = Small();
        var parts = place.Split('.');
        (parts.Length == 1 ? json : json[parts[0]]!)[parts[^1]] = JsonNode.Parse(value);
        Refused(json.ToJsonString(), "tokenizer.json", reason);
    }

    [Theory]
    [InlineData("", "is not text in UTF-8")]
    [InlineData("[]", "is no JSON object")]
    [InlineData("{\"model\":", "is no JSON (")]
    [InlineData("{\"model\":{\"vocab\":{\"a\":0,\"a\":NaN}}}", "gives token 'a' the id 'NaN'")]
    [InlineData("{\"model\":{\"vocab\":{\"\\ud800\":0}}}", "is no")]
    public void What_is_no_tokenizer_is_refused(string text, string reason) => Refused(text, "tokenizer.json", reason);

    [Fact]
    public void Without_any_file_the_message_names_both_kinds()
    {
        var message = Assert.Throws<TokenizerException>(() => Tokenizer.Open(_directory.Path)).Message;
        Assert.Contains("vocab.json: there is no such file; a checkpoint has tokenizer.json, or a GPT-2's vocab.json and merges.txt",
            message);
    }

    [Theory, InlineData("pythia"), InlineData("llama2"), InlineData("llama3"), InlineData("mistral")]
    public void Damage_never_escapes_as_another_exception(string family)
    {
        var whole = Encoding.UTF8.GetBytes(SmallTokenizers.Json(family));
        var random = new Random(5);
        var refused = 0;
        for (var round = 0; round < 60; round++)
        {
            var bytes = whole.ToArray();
            // what stands before the vocabulary is most of what is read with care
            for (var i = random.Next(1, 4); i > 0; i--)
            {
                bytes[random.Next(2) == 0 ? random.Next(bytes.Length) : random.Next(1500)] = (byte)random.Next(32, 127);
            }
            File.WriteAllBytes(_directory["tokenizer.json"], bytes[..(round % 3 == 0 ? random.Next(bytes.Length) : bytes.Length)]);
            var e = Record.Exception(() =>
            {
                var tokenizer = Tokenizer.Open(_directory.Path);
                tokenizer.Encode("It's a text, with  1234 tokens\n");
            });
            if (e is null) continue;
            refused++;
            Assert.DoesNotContain('\n', Assert.IsType<TokenizerException>(e).Message);
        }
        Assert.True(refused > 20);
    }

    [Theory]
    [InlineData("{\"bos_token\":\"a\",\"eos_token\":{\"__type\":\"AddedToken\",\"content\":\"b\"}}", null, null, 0, 1)]
    [InlineData(null, "{\"bos_token\":{\"content\":\"ab\"},\"eos_token\":\"b\"}", null, 2, 1)]
    [InlineData("{\"bos_token\":null,\"eos_token\":\"b\"}", null, "{\"bos_token_id\":0}", 1, 1)]   // as Qwen2
    [InlineData("{\"eos_token\":\"b\"}", null, "{\"bos_token_id\":0,\"eos_token_id\":2}", 0, 1)]
    [InlineData(null, null, "{\"bos_token_id\":0,\"eos_token_id\":[2,1]}", 0, 2)]                    // as Llama 3
    [InlineData(null, null, "{\"bos_token_id\":50256}", null, null)]
    [InlineData(null, null, null, null, null)]
    public void The_first_file_that_names_a_special_token_counts(string? configuration, string? map, string? model, int? begin, int? end)
    {
        foreach (var (file, text) in (ReadOnlySpan<(string, string?)>)[("tokenizer_config.json", configuration),
            ("special_tokens_map.json", map), ("config.json", model)])
        {
            if (text is not null) File.WriteAllText(_directory[file], text);
        }
        File.WriteAllText(_directory["tokenizer.json"], Small().ToJsonString());
        var tokenizer = Tokenizer.Open(_directory.Path);
        Assert.Equal((begin, end), (tokenizer.BeginOfText, tokenizer.EndOfText));
    }

    [Fact]
    public void Special_tokens_that_are_none_are_refused()
    {
        File.WriteAllText(_directory["tokenizer_config.json"], """{"bos_token":"<s>"}""");
        Refused(Small().ToJsonString(), "tokenizer_config.json", "has bos_token = '<s>', which the tokenizer does not have");
        File.WriteAllText(_directory["tokenizer_config.json"], """{"bos_token":7}""");
        Refused(Small().ToJsonString(), "tokenizer_config.json", "has bos_token = '7', which is no token");
        File.WriteAllText(_directory["tokenizer_config.json"], "{");
        Refused(Small().ToJsonString(), "tokenizer_config.json", "is no JSON");
    }

    [Fact]
    public void Gaps_between_ids_are_padding()
    {
        var json = Small();
        json["model"]!["vocab"]!["c"] = 9;
        File.WriteAllText(_directory["tokenizer.json"], json.ToJsonString());
        var tokenizer = Tokenizer.Open(_directory.Path);
        Assert.Equal(10, tokenizer.Count);
        Assert.Equal([2, 9], tokenizer.Encode("abc"));
        Assert.Equal("[5]", tokenizer.TokenText(5));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenBytes(5));
    }

    private static JsonObject Small() =>
        JsonNode.Parse("""{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}""")!.AsObject();

    private void Refused(string json, string file, string reason)
    {
        File.WriteAllText(_directory["tokenizer.json"], json);
        var message = Assert.Throws<TokenizerException>(() => Tokenizer.Open(_directory.Path)).Message;
        Assert.StartsWith(_directory[file] + ": ", message);
        Assert.Contains(reason, message);
        Assert.DoesNotContain('\n', message);
    }
}
