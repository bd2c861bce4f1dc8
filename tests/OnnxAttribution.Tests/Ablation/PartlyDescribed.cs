using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Ablation;

/// <summary>random2 with the dictionaries of some sites only.</summary>
internal static class PartlyDescribed
{
    public static LoadedModel Open(TemporaryDirectory to, string[] withDictionary, params string[] sites)
    {
        foreach (var site in withDictionary)
        {
            DictionaryFiles.Read(Path.Combine(Random2.Checkpoint, "dictionaries", site)).Write(Path.Combine(to["dictionaries"], site));
        }
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [to["dictionaries"]], to["bundle"]));
        return LoadedModel.Open(to["bundle"], sites, new RunContext(threads: 1));
    }
}
