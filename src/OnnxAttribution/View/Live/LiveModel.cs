using System.Text.Json.Nodes;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.View.Live;

/// <summary>A run's model as a page can run it: one graph in which the drawn features can be edited, and the weights that it needs.
/// </summary>
internal sealed class LiveModel
{
    private readonly PackedGraph _packed;

    private LiveModel(PackedGraph packed, LiveContent content) => (_packed, Content) = (packed, content);

    public LiveContent Content { get; }

    /// <summary>The .onnx file.</summary>
    public byte[] Graph => _packed.Model;

    public long WeightBytes => _packed.WeightBytes;

    /// <inheritdoc cref="PackedGraph.WeightParts"/>
    public IEnumerable<byte[]> WeightParts(int most, CancellationToken cancel) => _packed.WeightParts(most, cancel);

    /// <param name="model">The bundle; null: where it was when the run was made.</param>
    /// <exception cref="LivePageException">The run is of no single prompt, its model is not to be had, or it has no feature to edit.
    /// </exception>
    /// <exception cref="Files.OnnxAttributionException">The bundle is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static LiveModel Of(RunPicture picture, string? model, CancellationToken cancel)
    {
        if (picture.Stored.Record is not PromptRunRecord { Tokens: { Count: > 0 } tokens } record)
        {
            throw LivePageException.OfManyPrompts(picture.Path);
        }
        if (picture.Header.IsReplaced) throw LivePageException.OfTranscoders(picture.Path);
        var bundle = RunBundle.Of(picture, model);
        if (bundle.Directory is not { } directory) throw LivePageException.WithoutBundle(bundle.Fault);
        using var loaded = LoadedModel.Open(directory, record.Sites, new RunContext(cancel: cancel));
        var features = picture.Features.Where(f => loaded.DictionaryOf(f.Site) is not null).ToList();
        if (features.Count == 0) throw LivePageException.WithoutFeatures(picture.Path);
        var edited = EditedGraph.Of(loaded, features);
        return new LiveModel(PackedGraph.Of(edited.Graph, directory), ContentOf(picture, record, tokens, loaded, edited));
    }

    /// <summary>What the page is told, its weights lying in so many scripts.</summary>
    public LiveContent InParts(int parts) => Content with { Parts = parts, WeightBytes = WeightBytes };

    private static LiveContent ContentOf(RunPicture picture, PromptRunRecord record, IReadOnlyList<int> tokens, LoadedModel model,
        EditedGraph edited)
    {
        var columns = edited.Features.Index().ToDictionary(f => (f.Item.Site.Name, f.Item.Feature), f => f.Index);
        var pageFeatures = picture.Nodes.Where(n => !n.IsMetric).Select(n => (n.Site!.Name, n.Feature)).Distinct();
        var (tokenizer, note) = Tokenizer(model);
        return new LiveContent
        {
            Features = [.. pageFeatures.Select(f => columns.GetValueOrDefault(f, -1))],
            Columns = edited.Features.Count,
            Tokens = tokens,
            Position = record.Position ?? tokens.Count - 1,
            Metric = record.Metric ?? "logit",
            Target = record.TargetId,
            Foil = record.FoilId,
            Bos = BeginsWithBos(record, model) ? tokens[0] : null,
            Context = model.ContextLength,
            Vocabulary = [.. Enumerable.Range(0, model.VocabularySize).Select(t => Text(model, t, tokenizer is not null))],
            Tokenizer = tokenizer,
            Note = note,
            Parts = 0,
            WeightBytes = 0,
        };
    }

    // a run that does not say has one where it begins with it
    private static bool BeginsWithBos(PromptRunRecord record, LoadedModel model) =>
        record.PrependBos ?? record.Tokens![0] == model.Tokenizer.BeginOfText;

    // a run may have been made of token ids, without any tokenizer
    private static (JsonObject? Document, string? Note) Tokenizer(LoadedModel model)
    {
        try
        {
            return (TokenizerDocument.Of(model.Directory), null);
        }
        catch (TokenizerException e)
        {
            return (null, e.Message);
        }
    }

    private static string Text(LoadedModel model, int token, bool hasTokenizer) => hasTokenizer ? model.TokenText(token) : $"[{token}]";
}
