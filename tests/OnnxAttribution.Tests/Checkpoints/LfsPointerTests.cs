using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class LfsPointerTests : IDisposable
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid "
        + "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 548105171\n";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("model.safetensors"), InlineData("ae.pt"), InlineData("params.npz"), InlineData("config.json")]
    public void A_pointer_in_place_of_a_file_is_named_with_what_to_do(string name)
    {
        var path = _directory[name];
        File.WriteAllText(path, Pointer);
        Action open = Path.GetExtension(name) switch
        {
            ".safetensors" => () => SafetensorsFile.Open(path).Dispose(),
            ".pt" => () => TorchFile.Open(path).Dispose(),
            ".npz" => () => NumpyArchive.Open(path).Dispose(),
            _ => () => ConfigJson.Read(path),
        };
        Assert.Equal($"{path}: is a Git LFS pointer, not the file of 548,105,171 bytes that it stands for; "
            + "run 'git lfs pull' in its folder, or download the file itself.", Assert.Throws<CheckpointException>(open).Message);
    }

    [Theory, InlineData("ae.pt"), InlineData("config.json")]
    public void A_link_that_leads_nowhere_is_told_from_a_missing_file(string name)
    {
        Action open = name == "ae.pt" ? () => TorchFile.Open(_directory[name]).Dispose() : () => ConfigJson.Read(_directory[name]);
        Assert.EndsWith("there is no such file; check the path.", Assert.Throws<CheckpointException>(open).Message);
        File.CreateSymbolicLink(_directory[name], "../blobs/gone");
        Assert.Equal($"{_directory[name]}: is a link to ../blobs/gone, which is not there; download it again, "
            + "or fetch it with what made the link (git annex get).", Assert.Throws<CheckpointException>(open).Message);
    }

    [Theory, InlineData("version https://git-lfs.github.com/spec/v1"),
        InlineData("version https://git-lfs.github.com/spec/v1\nsize 99999999999999999999999\n")]
    public void A_pointer_without_a_size_is_one_too(string text) =>
        Assert.Contains("not the file that it", LfsPointer.Problem(System.Text.Encoding.UTF8.GetBytes(text)), StringComparison.Ordinal);

    [Theory, InlineData(""), InlineData("version 1.0"), InlineData("{}")]
    public void Other_text_is_none(string text) => Assert.Null(LfsPointer.Problem(System.Text.Encoding.UTF8.GetBytes(text)));
}
