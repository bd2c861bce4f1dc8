using System.CommandLine;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that say which model is opened, at which sites, and within how much memory.</summary>
internal static class ModelOptions
{
    public const string Bundle = "the bundle that 'onnx-attribution export' made";

    private const string SiteNames = "resid, attn, mlp, resid_mid, z, single ones such as 3.mlp, or hook names, with commas between";

    /// <summary><c>--model</c>, which has to be given.</summary>
    public static Option<string> Model() => new("--model") { Description = Bundle, HelpName = "DIR", Required = true };

    /// <summary><c>--model</c>, which another source may say.</summary>
    public static Option<string?> OptionalModel(string description) => new("--model") { Description = description, HelpName = "DIR" };

    /// <summary><c>--sites</c>, by kind, short name or hook name.</summary>
    /// <param name="what">What is done at them, before their names.</param>
    /// <param name="further">What comes behind their names, such as the default.</param>
    public static Option<string?> Sites(string what, string further = "")
    {
        var option = new Option<string?>("--sites") { Description = $"{what}: {SiteNames}{further}", HelpName = "SITES" };
        option.NotEmpty(SiteNames);
        return option;
    }

    /// <summary><c>--memory</c> in MiB.</summary>
    /// <param name="description">What it is for.</param>
    public static Option<int> Memory(string description)
    {
        var option = new Option<int>("--memory") { Description = description, HelpName = "MiB", DefaultValueFactory = _ => 1024 };
        option.AtLeast(1);
        return option;
    }

    /// <summary><c>--seed</c>.</summary>
    /// <param name="description">Of what.</param>
    public static Option<int> Seed(string description) =>
        new("--seed") { Description = description, HelpName = "N", DefaultValueFactory = _ => 0 };
}
