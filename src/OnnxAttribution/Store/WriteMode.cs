namespace OnnxAttribution.Store;

/// <summary>What is done where something stands in the place of what is to be written.</summary>
public enum WriteMode
{
    /// <summary>It is refused: nothing is changed.</summary>
    CreateNew,

    /// <summary>A run is replaced when the new one is whole; nothing but a run ever is.</summary>
    Replace,
}
