namespace OnnxAttribution.Store;

/// <summary>What is done where something stands in the place of what is to be written.</summary>
public enum WriteMode
{
    /// <summary>It is refused: nothing is changed.</summary>
    CreateNew,

    /// <summary>It is replaced when the new one is whole: a run by a run, a file by a file, and nothing by anything else.</summary>
    Replace,
}
