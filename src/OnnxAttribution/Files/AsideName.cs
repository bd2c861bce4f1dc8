using System.Security.Cryptography;
using System.Text;

namespace OnnxAttribution.Files;

/// <summary>A random name beside a place, for what is being written there; ours alone while this lives.</summary>
/// <remarks>
/// <c>.name.TOKEN.lock</c> is made first and held open while the writer lives, <c>.name.TOKEN.tmp</c> is what it writes,
/// <c>.name.TOKEN.old</c> what it replaces where directories cannot be exchanged. The names cannot be guessed and are made anew, so that no
/// link that somebody has left is followed, and nothing is ever written into a lock. What a dead writer left has a lock that nobody holds,
/// or none: the next writer of the same place removes it, and nothing else.
/// </remarks>
internal sealed class AsideName : IDisposable
{
    private const int TokenLength = 16, MostOfName = 220, LettersOfLong = 50;
    private const int UnixSharingViolation = 11, MacSharingViolation = 35, WindowsSharingViolation = unchecked((int)0x80070020);

    private readonly string _place;
    private readonly string _token;
    private readonly FileStream _lock;

    private AsideName(string place, string token, FileStream held) => (_place, _token, _lock) = (place, token, held);

    /// <summary>What is written; not made yet.</summary>
    public string Path => At(_place, _token, "tmp");

    /// <summary>Where what is replaced waits, where it has to.</summary>
    public string Old => At(_place, _token, "old");

    /// <summary>Takes a name, whoever else writes to the same place, and removes what dead writers left.</summary>
    /// <exception cref="IOException">The directory cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The directory cannot be written.</exception>
    public static AsideName Claim(string place)
    {
        RemoveLeftovers(place);
        return Take(place);
    }

    /// <summary>Waits until nobody else writes to the place.</summary>
    /// <exception cref="TimeoutException">Another writer took longer than the patience.</exception>
    /// <inheritdoc cref="Claim"/>
    public static AsideName ClaimAlone(string place, TimeSpan patience, CancellationToken cancel)
    {
        for (var waited = TimeSpan.Zero; ;)
        {
            if (!RemoveLeftovers(place))
            {
                var claim = Take(place);
                // of two that take a name at once each sees the other's, and neither has its turn
                if (!RemoveLeftovers(place, claim._token)) return claim;
                claim.Dispose();
            }
            if (waited >= patience) throw new TimeoutException("another program is writing it");
            var pause = TimeSpan.FromMilliseconds(Random.Shared.Next(10, 30));
            cancel.WaitHandle.WaitOne(pause);
            cancel.ThrowIfCancellationRequested();
            waited += pause;
        }
    }

    /// <summary>The name of the place that such a name is beside; null where it is no such name.</summary>
    public static string? PlaceOf(string name)
    {
        var parts = name.Split('.');
        return parts is ["", .. [_, ..] place, var token, "tmp" or "lock" or "old"] && IsToken(token)
            ? string.Join('.', place) is { Length: > 0 } found ? found : null
            : null;
    }

    /// <summary>Puts back what a writer had moved aside when it died, and removes what else dead writers of the place left.</summary>
    /// <returns>Whether a living writer is there.</returns>
    public static bool RemoveLeftovers(string place, string? own = null)
    {
        var directory = System.IO.Path.GetDirectoryName(place)!;
        var beside = Short(System.IO.Path.GetFileName(place));
        // a directory that may be written but not listed shows no leftovers
        var tokens = !Directory.Exists(directory) ? [] : Directory.EnumerateFileSystemEntries(directory, "*",
            new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = true })
            .Select(entry => System.IO.Path.GetFileName(entry))
            .Where(name => PlaceOf(name) == beside)
            .Select(name => name.Split('.')[^2])
            .Where(token => token != own)
            .ToHashSet();
        var living = false;
        foreach (var token in tokens) living |= !RemoveIfDead(place, token);
        return living;
    }

    public void Dispose() => Release(_lock, At(_place, _token, "lock"));

    private static AsideName Take(string place)
    {
        while (true)
        {
            var token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TokenLength / 2));
            var file = At(place, token, "lock");
            try
            {
                var held = new FileStream(file, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
                if (File.Exists(file)) return new AsideName(place, token, held);
                held.Dispose();   // taken for a dead writer's before it was held
            }
            catch (IOException e) when (IsHeld(e))
            {
                // being looked at by somebody who takes it for a dead writer's
            }
        }
    }

    private static bool RemoveIfDead(string place, string token)
    {
        var file = At(place, token, "lock");
        FileStream? held = null;
        try
        {
            // a link is no lock of ours: its name goes, what it leads to is not opened
            if (new FileInfo(file) is { Exists: true, LinkTarget: null })
            {
                held = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
            }
            PutBack(place, token);
            Delete(At(place, token, "tmp"));
            Delete(At(place, token, "old"));
            if (held is null) File.Delete(file);
            return true;
        }
        catch (IOException e) when (IsHeld(e))
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;   // another user's: neither waited for nor removed
        }
        finally
        {
            if (held is not null) Release(held, file);
        }
    }

    private static void PutBack(string place, string token)
    {
        var old = At(place, token, "old");
        if (new DirectoryInfo(old) is { Exists: true, LinkTarget: null } && !Directory.Exists(place) && !File.Exists(place))
        {
            FileStep.RenameDirectory(old, place);
        }
    }

    private static void Delete(string path)
    {
        var entry = new FileInfo(path);
        if (entry.LinkTarget is null && Directory.Exists(path)) Directory.Delete(path, recursive: true);
        else File.Delete(path);
    }

    // Unix: removed while still held, so that nobody can take it in between. Windows removes no open file.
    private static void Release(FileStream held, string file)
    {
        try
        {
            if (OperatingSystem.IsWindows()) held.Dispose();
            FileStep.Remove(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // its directory is gone, or may not be changed any more
        }
        finally
        {
            held.Dispose();
        }
    }

    private static bool IsHeld(IOException e) => e.HResult is UnixSharingViolation or MacSharingViolation or WindowsSharingViolation;

    private static bool IsToken(string text) => text.Length == TokenLength && text.All(char.IsAsciiHexDigitLower);

    private static string At(string place, string token, string kind) =>
        System.IO.Path.Combine(System.IO.Path.GetDirectoryName(place)!, $".{Short(System.IO.Path.GetFileName(place))}.{token}.{kind}");

    // a name may have 255 bytes, and the one beside it has more: of a long name its beginning and a hash
    private static string Short(string name)
    {
        if (Encoding.UTF8.GetByteCount(name) <= MostOfName) return name;
        var beginning = name[..Math.Min(name.Length, LettersOfLong)];
        if (char.IsHighSurrogate(beginning[^1])) beginning = beginning[..^1];
        return beginning + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..TokenLength];
    }
}
