using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>The bundle of a random model of a given shape, made once and kept.</summary>
internal static class RandomModel
{
    private const int Seed = 7, Letters = 256;

    /// <summary>Makes the bundle where it is not yet there; a cached one is taken as it is.</summary>
    /// <returns>The bundle's directory.</returns>
    public static string Prepare(string cache, SyntheticShape shape, Action<string> progress, CancellationToken cancel)
    {
        var bundle = Path.Combine(cache, shape.Name);
        if (File.Exists(Path.Combine(bundle, BundleManifest.FileName))) return bundle;
        progress($"making a random model of shape {shape.Name} in {bundle}");
        SyntheticCheckpoint.WriteModel(bundle, shape);
        var norms = Norms(bundle, shape);
        var pool = new SyntheticCheckpoint.Pool((int)Math.Min(1 << 24, 4L * shape.Features * shape.Width), shape.Seed);
        foreach (var (site, norm) in norms)
        {
            cancel.ThrowIfCancellationRequested();
            progress($"dictionary for {site}");
            SyntheticCheckpoint.WriteDictionary(Path.Combine(bundle, BundleDictionaries.Folder, site), site, shape, norm, pool);
        }
        BundleWriter.Write(new ExportOptions(bundle, null, bundle, Force: true), cancel);
        return bundle;
    }

    /// <summary>The same bundle with a screen beside each dictionary, whose other files are links to the bundle's.</summary>
    /// <returns>Its directory.</returns>
    public static string WithScreens(string bundle, Action<string> progress, CancellationToken cancel)
    {
        var screened = bundle + "-screened";
        if (File.Exists(Path.Combine(screened, BundleManifest.FileName))) return screened;
        progress($"writing screens into {screened}");
        BundleWriter.Write(new ExportOptions(bundle, null, screened) { Screens = true }, cancel);
        return screened;
    }

    /// <summary>Brings every file of the bundle into the page cache.</summary>
    public static void ReadThrough(string bundle)
    {
        var buffer = new byte[1 << 22];
        foreach (var path in Directory.EnumerateFiles(bundle, "*.safetensors", SearchOption.AllDirectories))
        {
            using var file = RegularFile.OpenHandle(path);
            for (long at = 0, n; (n = RandomAccess.Read(file, buffer, at)) > 0; at += n) { }
        }
    }

    /// <summary>Another prompt at each call, so that no cache knows it, and the same ones in each run of the program.</summary>
    /// <param name="tokens">Of a prompt, BOS included.</param>
    public static Func<int[]> Prompts(LoadedModel model, int tokens)
    {
        var random = new Random(Seed);
        return () => [model.VocabularySize - 1, .. Enumerable.Range(1, tokens - 1).Select(_ => random.Next(Letters))];
    }

    // what the sites' activations measure, so that the dictionaries' thresholds leave the wanted number of features
    private static List<(string Site, double Norm)> Norms(string checkpoint, SyntheticShape shape)
    {
        // beside the bundle, which is taken for whole as soon as it has a manifest
        var aside = checkpoint + "-norms";
        BundleWriter.Write(new ExportOptions(checkpoint, null, aside, Force: true));
        using (var model = LoadedModel.Open(aside, null, new RunContext()))
        {
            var random = new Random(Seed);
            int[] prompt = [.. Enumerable.Range(0, shape.NormTokens).Select(_ => random.Next(Letters))];
            var pass = ModelPass.Run(model, prompt, new MetricRequest(Target: 0, Foil: 1));
            double Norm(Site site) => Math.Sqrt(TensorPrimitives.SumOfSquares<float>(pass.Sites[site.Name]) / prompt.Length);
            var sites = model.Bundle.Sites.Where(s => !shape.ResidualOnly || s.Kind == SiteKind.Resid);
            var norms = sites.Select(s => (s.Name, Norm(s))).ToList();
            Directory.Delete(aside, recursive: true);
            return norms;
        }
    }
}
