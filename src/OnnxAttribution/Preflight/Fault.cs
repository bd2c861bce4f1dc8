namespace OnnxAttribution.Preflight;

/// <summary>Why a dictionary does not do what it was trained to do.</summary>
internal enum Fault
{
    /// <summary>It was trained with TopK, and all positive pre-activations are taken.</summary>
    TopkReadAsRelu,

    /// <summary>It was trained without TopK, and only k features are taken.</summary>
    ReluReadAsTopk,

    /// <summary>TopK with another k.</summary>
    WrongK,

    /// <summary>Its input has to be normalised in another way, or not at all.</summary>
    InputNormalization,

    /// <summary>b_dec has to be subtracted from the input, or must not be.</summary>
    DecoderBias,

    /// <summary>It was trained on a model with centred writing weights.</summary>
    UncentredWeights,

    /// <summary>It was trained on texts that begin with BOS, or on such that do not.</summary>
    Bos,

    /// <summary>The lengths of the decoder's rows count once too often or once too seldom.</summary>
    DecoderNorm,

    /// <summary>TopK has to choose by pre-activations times the lengths of the decoder's rows.</summary>
    SelectionByNorm,

    /// <summary>It fits another site of the model.</summary>
    OtherSite,

    /// <summary>Its input has to be multiplied by a number.</summary>
    InputScale,

    /// <summary>No reading that was tried makes it fit.</summary>
    DoesNotFit,

    /// <summary>It explains the variance, but not what the model reads.</summary>
    LossNotRecovered,

    /// <summary>Its figures look wrong; why was not looked into.</summary>
    NotDiagnosed,
}
