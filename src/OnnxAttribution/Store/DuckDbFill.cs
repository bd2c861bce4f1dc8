namespace OnnxAttribution.Store;

/// <summary>Fills the next rows of a table; the caller keeps count of where it is.</summary>
/// <param name="vectors">The columns to fill, valid during the call.</param>
/// <returns>Rows filled, at most <see cref="DuckDbVectors.Capacity"/>; 0 at the end.</returns>
internal delegate int DuckDbFill(DuckDbVectors vectors);
