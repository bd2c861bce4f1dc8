using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Dictionaries;

public class DictionaryEncoderTests
{
    public static TheoryData<bool, bool, string> Ways
    {
        get
        {
            var all = new TheoryData<bool, bool, string>();
            foreach (var name in (string[])["random2-all-zero", "random2-kinds-zero", "random2-kinds-patch"])
            {
                foreach (var (packed, findOnHost) in ((bool, bool)[])[(false, false), (true, true), (true, false)])
                {
                    all.Add(packed, findOnHost, name);
                }
            }
            return all;
        }
    }

    [Theory, MemberData(nameof(Ways))]
    public void Packing_and_searching_in_the_graph_change_no_feature(bool packed, bool findOnHost, string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory);
        using var plain = new DictionaryEncoder(new RunContext(), packed: false);
        using var other = new DictionaryEncoder(new RunContext(), packed, findOnHost);
        for (var i = 0; i < model.Selected.Count; i++)
        {
            var x = Array.ConvertAll(golden[$"activation/{model.Selected[i].Name}"], v => (float)v);
            var (expected, actual) = (plain.Encode(model.SelectedSites[i].Dictionary!, x, golden.Tokens.Length),
                other.Encode(model.SelectedSites[i].Dictionary!, x, golden.Tokens.Length));
            Assert.Contains(expected.Features, f => f.Length > 0);
            for (var t = 0; t < golden.Tokens.Length; t++)
            {
                Assert.Equal(expected.Features[t], actual.Features[t]);
                GoldenTests.Close(Array.ConvertAll(expected.Activations[t], v => (double)v), actual.Activations[t], 1e-6,
                    $"{model.Selected[i]} at {t}");
            }
        }
    }
}
