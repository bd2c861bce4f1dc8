using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Export;

/// <summary>What the inputs of a foreign graph hold, by the names that Hugging Face's models and their exporters give them,
/// or by those that the map of sites gives.</summary>
internal sealed class ForeignInputs
{
    private static readonly (string Name, ForeignInput Meaning)[] s_names =
    [
        ("input_ids", ForeignInput.Tokens), ("attention_mask", ForeignInput.Ones), ("position_ids", ForeignInput.Positions),
        ("cache_position", ForeignInput.Positions), ("token_type_ids", ForeignInput.Zeros), ("past_key_values", ForeignInput.Past),
        ("use_cache_branch", ForeignInput.HasPast),
    ];

    private readonly Dictionary<string, ForeignInput> _meanings;
    private readonly ValueInfoProto _tokens;

    private ForeignInputs(SiteMap map, string file, ValueInfoProto tokens, Dictionary<string, ForeignInput> meanings) =>
        (Map, File, _tokens, _meanings) = (map, file, tokens, meanings);

    public SiteMap Map { get; }

    public string File { get; }

    /// <summary>The input that holds the token ids.</summary>
    public string Tokens => _tokens.Name;

    /// <summary>Inputs of which <see cref="Settle"/> made constants: false.</summary>
    public List<string> Settled { get; } = [];

    /// <summary>What the map of sites may say of an input.</summary>
    public static string Known => string.Join(", ", s_names.Select(n => n.Name));

    /// <exception cref="BundleException">It cannot be told which input holds the tokens, or the map names what is not there.</exception>
    public static ForeignInputs Of(ModelProto model, SiteMap map, string file)
    {
        var constants = model.Graph.Initializer.Select(t => t.Name).ToHashSet();
        var candidates = model.Graph.Input.Where(i => !constants.Contains(i.Name)).DistinctBy(i => i.Name).ToList();
        var listed = string.Join(", ", candidates.Select(i => i.Name).Take(8));
        ValueInfoProto Input(string key, string name) => candidates.FirstOrDefault(i => i.Name == name)
            ?? throw new BundleException($"{map.Path}: {key} is '{name}', which {file} has not as an input; its inputs are {listed}");
        var meanings = candidates.ToDictionary(i => i.Name, i => Named(i.Name));
        foreach (var (name, meaning) in map.Inputs)
        {
            if (!s_names.Any(n => n.Name == meaning))
            {
                throw new BundleException($"{map.Path}: inputs.{name} is '{meaning}'. Did you mean "
                    + $"'{SpellCheck.Among(s_names.Select(n => n.Name), meaning)}'? An input holds one of {Known}");
            }
            meanings[Input("a name in inputs", name).Name] = s_names.First(n => n.Name == meaning).Meaning;
        }
        if (map.Tokens is { } given) return new ForeignInputs(map, file, Input("tokens", given), With(meanings, given));
        var said = map.Inputs.Where(i => i.Meaning == s_names[0].Name).Select(i => i.Input).ToList();
        var found = said.Count > 0 ? said : [.. candidates.Select(i => i.Name).Where(n => meanings[n] == ForeignInput.Tokens)];
        return found.Count == 1
            ? new ForeignInputs(map, file, Input("tokens", found[0]), With(meanings, found[0]))
            : throw new BundleException($"{file} has the inputs {listed}; "
                + $"say in {map.Path} which of them holds the token ids: \"tokens\": \"NAME\"");
    }

    /// <summary>What an input holds.</summary>
    public ForeignInput Of(string input) => _meanings.GetValueOrDefault(input);

    /// <summary>Writes into the graph what is known before anything is computed from it: a past has no tokens, and so no branch for one
    /// is taken.</summary>
    /// <exception cref="BundleException">A past is not such as a prompt may do without.</exception>
    public void Settle(ModelProto model)
    {
        foreach (var input in model.Graph.Input.ToList())
        {
            switch (Of(input.Name))
            {
                case ForeignInput.Past when EmptyPast.TryOf(File, input, _tokens) is { } past:
                    input.Type!.TensorType.Shape.Dim[past.Axis] = new TensorShapeProto.Types.Dimension { DimValue = 0 };
                    break;
                case ForeignInput.HasPast when input.Type?.TensorType is { ElemType: (int)TensorProto.Types.DataType.Bool } type:
                    model.Graph.Input.Remove(input);
                    Settled.Add(input.Name);
                    var no = Constants.Of([false], [.. (type.Shape?.Dim ?? []).Select(_ => 1L)]);
                    no.Name = input.Name;
                    model.Graph.Initializer.Add(no);
                    break;
                default: break;
            }
        }
    }

    /// <exception cref="BundleException">It is no past that a prompt may do without.</exception>
    public EmptyPast PastOf(ValueInfoProto input) => EmptyPast.TryOf(File, input, _tokens)
        ?? throw new BundleException($"{File}: the input '{input.Name}' has no shape; {EmptyPast.Without}");

    // one of them only
    private static Dictionary<string, ForeignInput> With(Dictionary<string, ForeignInput> meanings, string tokens)
    {
        foreach (var (name, _) in meanings.Where(m => m.Value == ForeignInput.Tokens)) meanings[name] = ForeignInput.Other;
        meanings[tokens] = ForeignInput.Tokens;
        return meanings;
    }

    /// <summary>What an input of this name holds where no map says otherwise.</summary>
    internal static ForeignInput Named(string input) => input == "tokens" ? ForeignInput.Tokens
        : s_names.FirstOrDefault(n => n.Name == input) is { Name: not null } known ? known.Meaning
        : EmptyPast.IsNamed(input) ? ForeignInput.Past
        : ForeignInput.Other;
}
