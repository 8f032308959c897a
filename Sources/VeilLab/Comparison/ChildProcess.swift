// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation

/// What running a program took.
public struct ProcessUsage: Codable, Sendable {
    public var wallSeconds = 0.0
    /// User and system time of the process and the children it waited for.
    public var cpuSeconds = 0.0
    /// Largest resident set, in bytes.
    public var peakBytes = 0
    public init() {}

    /// One after the other: times add up, memory does not.
    public static func + (a: ProcessUsage, b: ProcessUsage) -> ProcessUsage {
        var sum = ProcessUsage()
        sum.wallSeconds = a.wallSeconds + b.wallSeconds
        sum.cpuSeconds = a.cpuSeconds + b.cpuSeconds
        sum.peakBytes = max(a.peakBytes, b.peakBytes)
        return sum
    }
}

/// Why a program that was run failed.
public struct ChildError: Error, CustomStringConvertible, Sendable {
    public let description: String
}

/// Runs this program once more, as a process of its own, and says what it took.
public enum ChildProcess {
    /// The program that is running.
    public static var ownPath: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    /// Runs `veil` with the arguments; what it writes to standard error is shown only when it fails.
    @discardableResult
    public static func runSelf(_ arguments: [String]) throws -> ProcessUsage { try run(ownPath, arguments) }

    public static func run(_ program: String, _ arguments: [String]) throws -> ProcessUsage {
        let log = "\(NSTemporaryDirectory())/veil\(getpid()).\(UInt32.random(in: 0 ... .max)).log"
        defer { unlink(log) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        var argv: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for argument in argv { free(argument) } }
        let begin = DispatchTime.now().uptimeNanoseconds
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, program, &actions, nil, &argv, environ)
        guard failure == 0 else {
            throw ChildError(description: "\(program): cannot be run: \(String(cString: strerror(failure)))")
        }
        // The peak that wait4 gives includes what this process had when it started the child, so it is read from
        // /proc while the child runs.
        var peak = 0
        var status: Int32 = 0
        var usage = rusage()
        while true {
            let done = wait4(pid, &status, WNOHANG, &usage)
            if done == pid { break }
            if done < 0 && errno != EINTR {
                throw ChildError(description: "\(program): \(String(cString: strerror(errno)))")
            }
            peak = max(peak, highWater(pid))
            usleep(4000)
        }
        var result = ProcessUsage()
        result.wallSeconds = Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
        func seconds(_ t: timeval) -> Double { Double(t.tv_sec) + Double(t.tv_usec) / 1e6 }
        result.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
        result.peakBytes = peak
        // WIFEXITED, WEXITSTATUS.
        if status & 0x7F != 0 || (status >> 8) & 0xFF != 0 {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            let last = text.split(separator: "\n").last.map(String.init) ?? "status \(status)"
            throw ChildError(description: "\(arguments.first ?? program): \(last)")
        }
        return result
    }

    /// VmHWM of a process in bytes, 0 when it is gone.
    private static func highWater(_ pid: pid_t) -> Int {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") })
        else { return 0 }
        return (Int(line.split(separator: " ").dropFirst().first ?? "0") ?? 0) * 1024
    }
}

/// The machine that measured.
public enum Machine {
    public static var description: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let model = text.split(separator: "\n").first { $0.hasPrefix("model name") }?.split(separator: ":").last
        let name = model.map { $0.trimmingCharacters(in: .whitespaces) } ?? "an unknown processor"
        return "\(ProcessInfo.processInfo.activeProcessorCount) cores of \(name)"
    }
}
