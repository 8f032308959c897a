// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Whether the user asked the program to stop (Ctrl-C). What is being read then counts as ended, so that what was
/// made of it is finished and stays usable. A second request ends the program at once, without unfinished files.
public enum Interruption {
    private nonisolated(unsafe) static var flag: sig_atomic_t = 0

    public static var isRequested: Bool { flag != 0 }

    /// Input was taken for ended because of the request: not where a pipe was read to its end nevertheless.
    public private(set) nonisolated(unsafe) static var hasCut = false

    /// How long pipes are read on after the request.
    private static let patience = 5.0
    private nonisolated(unsafe) static var noticed: UInt64?

    /// Whether a request that came is no older than that, as whoever reads counts.
    static var isRecent: Bool {
        let now = DispatchTime.now().uptimeNanoseconds
        let since = noticed ?? now
        noticed = since
        return Double(now - since) / 1e9 < patience
    }

    /// What is read is cut here.
    package static func cut() { hasCut = true }

    /// The first request ends the program as a second would: what it does has no part that would be of use.
    public static func endAtOnce() { endsAtOnce = true }
    private nonisolated(unsafe) static var endsAtOnce = false

    /// From now on SIGINT, SIGTERM and SIGHUP (but for one that is ignored, as under nohup) are requests.
    public static func listen() {
        UnfinishedFiles.prepare()
        // Whoever started the program may have left them blocked.
        let numbers = [SIGINT, SIGTERM, SIGHUP]
        var all = sigset_t()
        sigemptyset(&all)
        for number in numbers { sigaddset(&all, number) }
        pthread_sigmask(SIG_UNBLOCK, &all, nil)
        for number in numbers {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                if Interruption.flag != 0 || Interruption.endsAtOnce {
                    UnfinishedFiles.unlinkAll()
                    _exit(128 + number)
                }
                Interruption.flag = 1
            }
            if number == SIGHUP {
                var before = sigaction()
                sigaction(number, nil, &before)
                let ignored = unsafeBitCast(SIG_IGN, to: Int.self)
                if unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == ignored { continue }
            }
            // Without SA_RESTART, so that a read that waits for input comes back.
            sigaction(number, &action, nil)
        }
    }
}
