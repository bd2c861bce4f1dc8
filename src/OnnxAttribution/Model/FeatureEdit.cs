namespace OnnxAttribution.Model;

/// <summary>f → scale · f + offset for one feature, at one position or all, in one row or all.</summary>
internal readonly record struct FeatureEdit(int Feature, float Scale, float Offset, int? Position, int? Row);
