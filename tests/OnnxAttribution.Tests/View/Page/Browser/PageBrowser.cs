using Microsoft.Playwright;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>How a page is visited.</summary>
/// <param name="Width">Of the screen, in pixels.</param>
/// <param name="Hash">The address' fragment, as the page would write it.</param>
/// <param name="IsFolder">It may ask for what lies beside it.</param>
/// <param name="Elsewhere">A page that it opens may be of an address that begins so; null: it opens none.</param>
/// <param name="Glides">Whether the graph glides to where it is sent; else it is there at once, and no test has to wait.</param>
internal sealed record PageVisit(int Width = 1400, int Height = 900, string Hash = "", bool Touch = false, bool Glides = false,
    bool IsFolder = false, string? Elsewhere = null);

/// <summary>Chromium, started once for all tests of the page.</summary>
public sealed class PageBrowser : IAsyncLifetime
{
    // ms; what is looked for on a busy machine comes late, and what is missing fails only after this
    private const float Patient = 2 * 60_000;

    private static readonly string[] s_places =
    [
        "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/usr/bin/google-chrome-stable", "/snap/bin/chromium",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", @"C:\Program Files\Google\Chrome\Application\chrome.exe",
    ];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public async ValueTask InitializeAsync()
    {
        var executable = Find();
        _playwright = await Playwright.CreateAsync();
        Assertions.SetDefaultExpectTimeout(Patient);
        _browser = await _playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = executable,
            Timeout = Patient,
            Args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        });
    }

    /// <summary>Opens a page from disk and tests it. Whatever it does,
    /// it must not complain on the console nor ask for anything but itself.</summary>
    internal async Task Visit(string file, Func<IPage, Task> test, PageVisit? how = null)
    {
        how ??= new();
        var (complaints, requests) = (new List<string>(), new List<string>());
        await using var context = await _browser!.NewContextAsync(new()
        {
            ViewportSize = new() { Width = how.Width, Height = how.Height },
            AcceptDownloads = true,
            HasTouch = how.Touch,
            ReducedMotion = how.Glides ? ReducedMotion.NoPreference : ReducedMotion.Reduce,
        });
        context.SetDefaultTimeout(Patient);
        var page = await context.NewPageAsync();
        page.Console += (_, message) => { if (message.Type is "error" or "warning") complaints.Add(message.Text); };
        page.PageError += (_, error) => complaints.Add(error);
        page.Dialog += (_, dialog) => complaints.Add($"a dialog: {dialog.Message}");
        context.Request += (_, request) => requests.Add(request.Url);
        var address = Address(file);
        await page.GotoAsync(address + (how.Hash.Length > 0 ? "#" + how.Hash : ""));
        await Assertions.Expect(page.Locator("html[data-ready]")).ToHaveCountAsync(1);
        await test(page);
        Assert.Empty(complaints);
        // a blob is the page's own memory: the download; a frame's own text is asked of nobody
        var own = how.IsFolder ? address[..(address.LastIndexOf('/') + 1)] : address;
        Assert.All(requests,
            url => Assert.True(url.StartsWith(own, StringComparison.Ordinal) || url.StartsWith("blob:", StringComparison.Ordinal)
                || url == "about:srcdoc" || (how.Elsewhere is { } begin && url.StartsWith(begin, StringComparison.Ordinal)),
                $"the page asked for {url}"));
    }

    /// <summary>A page whose complaints are what is tested.</summary>
    internal async Task<IReadOnlyList<string>> Complaints(string file, Func<IPage, Task> test)
    {
        var complaints = new List<string>();
        await using var context = await _browser!.NewContextAsync();
        context.SetDefaultTimeout(Patient);
        var page = await context.NewPageAsync();
        page.Console += (_, message) => complaints.Add(message.Text);
        await page.GotoAsync(Address(file));
        await test(page);
        return complaints;
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null) await _browser.CloseAsync();
        _playwright?.Dispose();
    }

    private static string Address(string file) => new Uri(Path.GetFullPath(file)).AbsoluteUri;

    private static string Find()
    {
        var named = Environment.GetEnvironmentVariable("CHROMIUM");
        var found = named is { Length: > 0 } ? named : s_places.FirstOrDefault(File.Exists);
        Assert.True(found is not null && File.Exists(found),
            $"the graph page is tested in Chromium or Chrome, and {(found is null ? "none was found" : $"there is none at {found}")}: "
            + "install it ('make test-tools' does on Debian and Ubuntu), or name it with CHROMIUM=/path/to/chrome");
        return found!;
    }
}
