using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options that name one prompt or many, and the tokens that are compared.</summary>
internal sealed class PromptOptions
{
    /// <param name="many">What comes of many prompts, behind the description of --prompts.</param>
    /// <param name="target">Behind the description of --target: where else it may come from.</param>
    public PromptOptions(string many = "", string target = "")
    {
        Many = new Option<string?>("--prompts")
        {
            Description = "many: a JSON object a line, with prompt and optional target, foil, patch_prompt, id, label; or a "
                + "template (.yaml)" + many,
            HelpName = "FILE"
        };
        Target = new Option<string?>("--target")
        {
            Description = "text of exactly one token; a leading space counts; default: the model's own top token" + target,
            HelpName = "TOKEN"
        };
        PrependBos.CompletionSources.Clear();   // .NET's True and False
        PrependBos.CompletionSources.Add("true", "false");
    }

    /// <summary>The options of a verb but for what a line of --prompts says itself.</summary>
    public static IReadOnlySet<string> OfAllPrompts(ParseResult parsed) =>
        UsageError.OptionNames(parsed.CommandResult).Except(["--prompt", "--patch-prompt", "--target", "--foil"]).ToHashSet();

    public Option<string?> One { get; } = new("--prompt") { Description = "the clean prompt", HelpName = "TEXT" };

    /// <summary>A file of them.</summary>
    public Option<string?> Many { get; }

    public Option<string?> Target { get; }

    public Option<string?> Foil { get; } =
        new("--foil") { Description = "the other token of --metric logit-diff; default: the best other one", HelpName = "TOKEN" };

    public Option<bool?> PrependBos { get; } = new("--prepend-bos")
    {
        Description = "begin prompts with the tokenizer's BOS, GPT-2's <|endoftext|>; default: as the dictionaries were trained",
        HelpName = "true|false"
    };

    /// <summary>The one prompt and what is asked of it.</summary>
    /// <param name="patch">The verb's --patch-prompt.</param>
    public PromptTask Task(ParseResult parsed, Option<string?> patch) =>
        new(parsed.GetValue(One)!, parsed.GetValue(Target), parsed.GetValue(Foil), parsed.GetValue(patch));

    /// <summary>What is wrong with the two, of which exactly one is needed, and that with a text in it; null: nothing.</summary>
    public string? Wrong(CommandResult result)
    {
        var (one, many) = (result.GetResult(One) is not null, result.GetResult(Many) is not null);
        return one && many ? "--prompt and --prompts contradict each other; give one of them"
            : !one && !many ? "there is no prompt; give --prompt TEXT or --prompts FILE"
            : one && result.GetValue(One) == "" ? "--prompt is empty; give it some text"
            : null;
    }

    /// <summary>Refuses options of one prompt beside a file of prompts, in which they would be passed over.</summary>
    public void RefuseBesideMany(CommandResult result, params ReadOnlySpan<Option> ofOne)
    {
        if (result.GetResult(Many) is null) return;
        foreach (var option in ofOne)
        {
            if (result.GetResult(option) is null) continue;
            result.AddError($"{option.Name} goes with --prompt; in a --prompts file each line has its own");
            return;
        }
    }
}
