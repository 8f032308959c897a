// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// Whether the user asked the program to stop (Ctrl-C). What is being read then counts as ended, so that what was
/// made of it is finished and stays usable. A second request ends the program at once.
public enum Interruption {
    private nonisolated(unsafe) static var flag: sig_atomic_t = 0

    public static var isRequested: Bool { flag != 0 }

    /// From now on SIGINT and SIGTERM are requests.
    public static func listen() {
        // Whoever started the program may have left them blocked.
        var both = sigset_t()
        sigemptyset(&both)
        for number in [SIGINT, SIGTERM] { sigaddset(&both, number) }
        pthread_sigmask(SIG_UNBLOCK, &both, nil)
        for number in [SIGINT, SIGTERM] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                if Interruption.flag != 0 { _exit(128 + number) }
                Interruption.flag = 1
            }
            // Without SA_RESTART, so that a read that waits for input comes back.
            sigaction(number, &action, nil)
        }
    }
}

extension FileHandle {
    /// What is there to be read, at least one byte and at most `count`; nil at the end, and after a request to stop.
    /// Unlike `read(upToCount:)`, does not wait for more of a pipe than there is.
    package func readAvailable(upTo count: Int) throws -> [UInt8]? {
        var failure: (any Error)?
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            do { initialized = try readAvailable(into: UnsafeMutableRawBufferPointer(buffer)) } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return bytes.isEmpty ? nil : bytes
    }

    /// The same into memory that is there: how many bytes were read, 0 at the end.
    package func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while !Interruption.isRequested {
            let got = Glibc.read(fileDescriptor, buffer.baseAddress, buffer.count)
            if got >= 0 { return got }
            if errno != EINTR { throw MediaError.cannotOpen(path: "input", reason: String(cString: strerror(errno))) }
        }
        return 0
    }
}
