namespace OnnxAttribution.Hub;

/// <summary>Reads an answer's body piece by piece, and gives up where nothing more comes.</summary>
internal static class HubBody
{
    private const int Piece = 1 << 18;

    /// <param name="take">Gets each piece; what it throws is not the network's.</param>
    /// <exception cref="HubPauseException">The connection dropped, or stood still.</exception>
    public static async Task CopyAsync(HubOptions options, HubAnswer answer, CancellationToken cancel, Action<ReadOnlyMemory<byte>> take)
    {
        var buffer = new byte[Piece];
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        await using var body = await answer.Response.Content.ReadAsStreamAsync(cancel);
        while (true)
        {
            int count;
            try
            {
                stall.CancelAfter(options.Stall);
                count = await body.ReadAsync(buffer, stall.Token);
            }
            catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
            {
                throw new HubPauseException($"{HubClient.Origin(answer.From)} sends nothing more", null, e);
            }
            catch (Exception e) when (e is IOException or HttpRequestException && !cancel.IsCancellationRequested)
            {
                throw new HubPauseException($"the connection to {HubClient.Origin(answer.From)} broke off", null, e);
            }
            if (count == 0) return;
            take(buffer.AsMemory(0, count));
        }
    }
}
