namespace OnnxAttribution.Tests.Export;

/// <summary>Foreign models exported once for a class of tests.</summary>
public sealed class ForeignBundles : IDisposable
{
    private readonly Dictionary<string, ForeignModel> _made = [];

    internal ForeignModel this[string name]
    {
        get
        {
            if (_made.TryGetValue(name, out var model)) return model;
            _made[name] = model = new ForeignModel(name);
            model.Export();
            return model;
        }
    }

    public void Dispose()
    {
        foreach (var model in _made.Values) model.Dispose();
    }
}
