// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// Standard error, which may be closed, full, or a pipe that nobody reads: what cannot be said there is not said, and
/// stops nothing.
public enum StandardError {
    /// Before any file is opened: one that would get the number of a standard stream that is closed would be written
    /// to, or read, as if it were that stream.
    public static func prepare() {
        for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 && errno == EBADF {
            // Reading from 0 and writing to 1 stay errors.
            let opened = open("/dev/null", number == 1 ? O_RDONLY : O_WRONLY)
            if opened >= 0 && opened != number { close(opened) }
        }
    }

    public static func write(_ text: String) {
        // A pipe that nobody reads must not end the program, which may still be writing a file.
        var pipe = sigset_t()
        sigemptyset(&pipe)
        sigaddset(&pipe, SIGPIPE)
        var before = sigset_t()
        pthread_sigmask(SIG_BLOCK, &pipe, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Glibc.write(2, $0.baseAddress, $0.count) }
            if written > 0 {
                bytes = bytes.dropFirst(written)
            } else if written == 0 || errno != EINTR {
                if written < 0 && errno == EPIPE && sigismember(&before, SIGPIPE) == 0 {
                    var none = timespec()
                    _ = sigtimedwait(&pipe, nil, &none)
                }
                return
            }
        }
    }
}
