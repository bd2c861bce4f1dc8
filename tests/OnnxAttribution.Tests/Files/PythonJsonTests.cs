using System.Text;
using System.Text.Json;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Tests.Files;

public sealed class PythonJsonTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("""{"a": NaN}""", """{"a":"NaN"}""")]
    [InlineData("""{"a": [Infinity, -Infinity, 1e-3], "b": "NaN"}""", """{"a":["Infinity","-Infinity",1e-3],"b":"NaN"}""")]
    [InlineData("""{"I said \"NaN\\": "-Infinity: NaN \\", "b": NaN}""", """{"I said \"NaN\\":"-Infinity: NaN \\","b":"NaN"}""")]
    [InlineData("""{"a": 1, "b": {"c": NaN, "c": 2}, "a": 3}""", """{"a":3,"b":{"c":2}}""")]
    [InlineData("\uFEFF{\"a\": [1, NaN]}", """{"a":[1,"NaN"]}""")]
    [InlineData("\uFEFF{\"a\":1}", """{"a":1}""")]
    public void What_Python_writes_is_read_as_Python_reads_it(string text, string meant)
    {
        using var document = PythonJson.Parse(Encoding.UTF8.GetBytes(text));
        using var expected = JsonDocument.Parse(meant);
        Assert.True(JsonElement.DeepEquals(expected.RootElement, document.RootElement), document.RootElement.GetRawText());
    }

    [Theory]
    [InlineData("""{"a": nan}"""), InlineData("""{"a": NaNs}"""), InlineData("""{"a": +Infinity}"""), InlineData("""{"a": Inf}"""),
        InlineData("""{"a": 1"""), InlineData("""{"a": "NaN""")]
    [InlineData("\\NaN"), InlineData("\"\\"), InlineData("")]
    public void What_Python_refuses_is_refused(string text) =>
        Assert.ThrowsAny<JsonException>(() => PythonJson.Parse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void Text_in_UTF_16_is_named() =>
        Assert.Contains("UTF-16", Assert.ThrowsAny<JsonException>(() =>
            PythonJson.Parse((byte[])[.. Encoding.Unicode.Preamble, .. Encoding.Unicode.GetBytes("{}")])).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_number_that_is_none_is_refused_by_name_only_where_it_is_asked_for()
    {
        File.WriteAllText(_directory["cfg.json"], """{"l1": NaN, "scale": Infinity, "d_in": 7, "d_in": 8}""");
        var json = ConfigJson.Read(_directory["cfg.json"]);
        Assert.Equal(8, json.Integer("d_in", 1, 10));
        Assert.Equal(["l1", "scale", "d_in"], json.Keys);
        Assert.Contains("scale is 'Infinity' where a number from 0 to 1 is expected",
            Assert.Throws<CheckpointException>(() => json.Number("scale", 0, 1)).Message, StringComparison.Ordinal);
    }
}
