using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Export;

// files that hold no whole graph
public sealed partial class ForeignRefusalTests
{
    [Fact]
    public void Data_that_are_missing_short_or_elsewhere_are_named()
    {
        using var model = new ForeignModel("gpt2-17");
        var weight = model.Graph.Graph.Initializer[0];
        var name = weight.Name;
        void At(string location, long offset = 0) =>
            model.Graph.Graph.Initializer[0] = new TensorProto(Constants.External(DataType.Float, [257, 8], location, offset, 8224))
            {
                Name = name
            };
        At("weights.data");
        model.Refused(Path.Combine(model.Source, "weights.data"), "is missing", $"'{name}'");
        File.WriteAllBytes(Path.Combine(model.Source, "weights.data"), new byte[8300]);
        At("weights.data", offset: 100);
        model.Refused(Path.Combine(model.Source, "weights.data"), "8300 bytes", $"'{name}'");
        foreach (var outside in (string[])["../weights.data", "/etc/passwd", "a/../../b", ""])
        {
            At(outside);
            model.Refused($"'{outside}'", "not in the model's directory");
        }
        File.WriteAllBytes(Path.Combine(model.Source, "bundle.json"), new byte[8300]);
        At("bundle.json");
        model.Refused("'bundle.json'", "a name that the bundle needs");
    }

    [Fact]
    public void A_file_that_is_no_graph_is_refused_however_it_is_damaged()
    {
        using var model = new ForeignModel("neox-16");
        var bytes = model.Graph.ToByteArray();
        model.Write();
        var random = new Random(1);
        for (var i = 0; i < 60; i++)
        {
            // cut short, or with a few bytes changed: either it is adopted or it is refused in one line
            var damaged = i < 20 ? bytes[..random.Next(bytes.Length)] : [.. bytes];
            for (var k = 0; k < 5 && i >= 20; k++) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(model.OnnxPath, damaged);
            try
            {
                ForeignBundleWriter.Write(
                    new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Force: true, Threads: 1));
            }
            catch (BundleException e)
            {
                Assert.DoesNotContain('\n', e.Message);
            }
        }
        File.WriteAllText(model.OnnxPath, "this is no graph");
        Assert.Throws<BundleException>(() =>
            ForeignBundleWriter.Write(new AdoptionOptions(model.OnnxPath, model.SitesPath, null, model.Bundle, Force: true)));
    }

    [Fact]
    public void The_graphs_own_directory_is_no_place_for_the_bundle()
    {
        using var model = new ForeignModel("gpt2-17");
        var e = Assert.Throws<BundleException>(() => model.Export(o => o with { Out = model.Source + Path.DirectorySeparatorChar }));
        Assert.Contains("write to another one", e.Message);
        Assert.True(File.Exists(model.OnnxPath));
    }
}
