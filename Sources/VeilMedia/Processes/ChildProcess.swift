// SPDX-License-Identifier: GPL-2.0-or-later
import Synchronization
import VeilSystem

/// A program that runs beside this one. Everything that is run goes through here.
package final class ChildProcess: @unchecked Sendable {
    /// Where one of its standard streams leads.
    package enum Stream {
        case null
        /// An open file of ours.
        case descriptor(Int32)
        /// A pipe, whose other end is ours.
        case pipe
    }

    package struct Ending: Sendable {
        /// Of a program that ended by itself; 128 and the number of the signal that ended it otherwise.
        package var status: Int32
        package var userAndSystemSeconds: Double
    }

    package let program: String
    package let identifier: pid_t
    /// The end of the pipe that we write to.
    private var input: OpenFile?
    /// The end of the pipe that we read from.
    package let output: OpenFile?
    private let messages = Mutex<[UInt8]>([])
    private let messagesEnded = DispatchSemaphore(value: 0)
    private var ending: Ending?
    private static let spawning = Lock()

    /// A program on PATH.
    package static func find(_ name: String) -> String? {
        for folder in (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":") {
            let path = "\(folder)/\(name)"
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        return nil
    }

    private static let secretVariables = Mutex<Set<String>>([])

    /// Keys that are named by an environment variable (`env:NAME`) or a file descriptor (`fd:N`) are no business of
    /// programs that parse media: from now on they get neither. Other text says nothing.
    package static func keepFromChildren(_ reference: String) {
        if reference.hasPrefix("env:") {
            _ = secretVariables.withLock { $0.insert(String(reference.dropFirst(4))) }
        } else if reference.hasPrefix("fd:"), let number = Int32(reference.dropFirst(3)), number > 2 {
            let flags = fcntl(number, F_GETFD)
            if flags >= 0 { _ = fcntl(number, F_SETFD, flags | FD_CLOEXEC) }
        }
    }

    /// What children get of our environment, for `free`.
    private static func environment() -> [UnsafeMutablePointer<CChar>?] {
        let secret = secretVariables.withLock { $0 }
        return ProcessInfo.processInfo.environment.filter { !secret.contains($0.key) }
            .map { strdup("\($0.key)=\($0.value)") } + [nil]
    }

    package init(_ program: String, _ arguments: [String], input: Stream = .null, output: Stream = .null) throws {
        self.program = program
        // One at a time: a child must not inherit the ends of another's pipes, which would then never close.
        Self.spawning.lock()
        defer { Self.spawning.unlock() }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // Ends that are the child's; they are closed here once it runs.
        var theirs: [Int32] = []
        var opened: [Int32] = []
        defer { for end in theirs { close(end) } }
        func pipe(childReads: Bool) throws -> (theirs: Int32, ours: Int32) {
            var ends: [Int32] = [-1, -1]
            guard Glibc.pipe(&ends) == 0 else {
                for end in opened { close(end) }
                throw ChildError(description: "\(program): cannot be run: \(String(cString: strerror(errno)))")
            }
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            let pair = childReads ? (ends[0], ends[1]) : (ends[1], ends[0])
            theirs.append(pair.0)
            opened.append(pair.1)
            return pair
        }
        var ourInput: Int32?
        var ourOutput: Int32?
        switch input {
        case .null: posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        case .descriptor(let number): posix_spawn_file_actions_adddup2(&actions, number, 0)
        case .pipe:
            let ends = try pipe(childReads: true)
            ourInput = ends.ours
            posix_spawn_file_actions_adddup2(&actions, ends.theirs, 0)
        }
        switch output {
        case .null: posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        case .descriptor(let number): posix_spawn_file_actions_adddup2(&actions, number, 1)
        case .pipe:
            let ends = try pipe(childReads: false)
            ourOutput = ends.ours
            posix_spawn_file_actions_adddup2(&actions, ends.theirs, 1)
        }
        let errors = try pipe(childReads: false)
        posix_spawn_file_actions_adddup2(&actions, errors.theirs, 2)
        // What is ignored here is not there.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        var envp = Self.environment()
        defer { for variable in envp { free(variable) } }
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, program, &actions, &attributes, &argv, &envp)
        guard failure == 0 else {
            for end in opened { close(end) }
            throw ChildError(description: "\(program): cannot be run: \(String(cString: strerror(failure)))")
        }
        identifier = pid
        self.input = ourInput.map { OpenFile(fileDescriptor: $0, closeOnDealloc: true) }
        self.output = ourOutput.map { OpenFile(fileDescriptor: $0, closeOnDealloc: true) }
        collectMessages(errors.ours)
    }

    /// Reads what the child says on standard error, so that it never waits for us to; keeps the end of it.
    private func collectMessages(_ descriptor: Int32) {
        let ended = messagesEnded
        SystemThread.start { [weak self] in
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                let got = read(descriptor, &chunk, chunk.count)
                if got < 0 && errno == EINTR { continue }
                if got <= 0 { break }
                self?.messages.withLock { $0 = Array(($0 + chunk[..<got]).suffix(8192)) }
            }
            close(descriptor)
            ended.signal()
        }
    }

    deinit {
        if ending == nil {
            // Whatever it waits for: a pipe that we no longer read, say, which a handler of SIGTERM returns to.
            kill(identifier, SIGKILL)
            try? input?.close()
            try? output?.close()
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0 && errno == EINTR {}
        }
    }

    /// Gives it bytes; throws where it has closed its end.
    package func write(_ bytes: [UInt8]) throws {
        guard let input else { return }
        var at = 0
        while at < bytes.count {
            let written = bytes.withUnsafeBytes {
                Glibc.write(input.fileDescriptor, $0.baseAddress! + at, $0.count - at)
            }
            if written < 0 {
                if errno == EINTR { continue }
                throw ChildError(description: "\(program): \(String(cString: strerror(errno)))")
            }
            at += written
        }
    }

    /// Where we write, for whoever writes by itself; as long as the input has not ended.
    package var inputDescriptor: Int32? { input?.fileDescriptor }

    /// That was all.
    package func endInput() {
        try? input?.close()
        input = nil
    }

    /// Gives it, on a thread of its own, what there is to be read.
    package func feed(_ file: InputFile) {
        signal(SIGPIPE, SIG_IGN)
        guard let input else { return }
        self.input = nil
        SystemThread.start {
            while let bytes = try? file.read(upTo: 1 << 16) {
                do { try input.write(contentsOf: bytes) } catch { break }
            }
            try? input.close()
        }
    }

    /// Whether it has ended.
    package func poll() throws -> Bool {
        if ending != nil { return true }
        return try collect(WNOHANG)
    }

    @discardableResult
    package func wait() throws -> Ending {
        while try !collect(0) {}
        guard let ending else { throw ChildError(description: "\(program): has not ended") }
        return ending
    }

    private func collect(_ options: Int32) throws -> Bool {
        if ending != nil { return true }
        var status: Int32 = 0
        var usage = rusage()
        let done = wait4(identifier, &status, options, &usage)
        if done < 0 && errno != EINTR {
            throw ChildError(description: "\(program): \(String(cString: strerror(errno)))")
        }
        guard done == identifier else { return false }
        func seconds(_ t: timeval) -> Double { Double(t.tv_sec) + Double(t.tv_usec) / 1e6 }
        // WIFSIGNALED, WTERMSIG, WEXITSTATUS.
        let signal = status & 0x7F
        ending = Ending(
            status: signal != 0 ? 128 + signal : (status >> 8) & 0xFF,
            userAndSystemSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime))
        return true
    }

    /// What it prints, as far as `limit` bytes and a piece; then it is ended.
    func outputBytes(limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while let got = try chunk.withUnsafeMutableBytes({ try output?.readAvailable(into: $0) }), got > 0,
            bytes.count < limit
        { bytes += chunk[..<got] }
        terminate()
        try wait()
        return bytes
    }

    /// Ends it: nothing more of it is wanted.
    package func terminate() { if ending == nil { kill(identifier, SIGKILL) } }

    /// The last line that it said on standard error, once it has ended.
    package var lastMessage: String? { lines.last }

    /// What ffmpeg said of output that it could not write to its end, which its status does not tell.
    package var failureToWrite: String? {
        let signs = ["Error writing", "Error closing", "No space left", "File too large", "quota exceeded"]
        return lines.last { line in signs.contains { line.contains($0) } }
    }

    /// What ffmpeg said of input that is damaged or was cut off, which its status does not tell; without the part of
    /// it that said so.
    package var damageOfInput: String? {
        let signs = [
            "ended prematurely", "partial file", "rror applying bitstream", "rror while decoding",
            "Invalid NAL unit size", "corrupt", "damaged",
            "runcated", "Invalid data found",
        ]
        guard let line = lines.first(where: { line in signs.contains { line.contains($0) } }) else { return nil }
        guard line.first == "[", let end = line.firstIndex(of: "]"), line[end...].hasPrefix("] ") else { return line }
        return String(line[end...].dropFirst(2))
    }

    private var lines: [String] {
        // Something that it started may keep the pipe open.
        if messagesEnded.wait(timeout: .now() + 1) == .success { messagesEnded.signal() }
        return messages.withLock { String(decoding: $0, as: UTF8.self) }.split(separator: "\n").map(String.init)
    }
}

/// Why a program that was run failed.
public struct ChildError: Error, CustomStringConvertible, Sendable {
    public let description: String
    public init(description: String) { self.description = description }
}
