namespace OnnxAttribution.Print;

/// <summary>What is shown for a control character, U+2400 to U+2421: few fonts have it, so prints write its name into a box.</summary>
internal static class ControlPicture
{
    private const int First = 0x2400;

    private static readonly string[] s_names = ("NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB "
        + "CAN EM SUB ESC FS GS RS US SP DEL").Split(' ');

    /// <summary>Such as <c>NUL</c>; null: the character is none of them.</summary>
    public static string? NameOf(int character) =>
        character >= First && character - First < s_names.Length ? s_names[character - First] : null;
}
