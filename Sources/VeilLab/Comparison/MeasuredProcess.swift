// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

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

/// Runs this program once more, as a process of its own, and says what it took.
public enum MeasuredProcess {
    /// The program that is running.
    public static var ownPath: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }

    /// Runs `veil` with the arguments; what it writes to standard error is shown only when it fails.
    @discardableResult
    public static func runSelf(_ arguments: [String]) throws -> ProcessUsage { try run(ownPath, arguments) }

    public static func run(_ program: String, _ arguments: [String]) throws -> ProcessUsage {
        let begin = DispatchTime.now().uptimeNanoseconds
        let child = try ChildProcess(program, arguments)
        // The peak that wait4 gives includes what this process had when it started the child, so it is read from
        // /proc while the child runs.
        var peak = 0
        while try !child.poll() {
            peak = max(peak, highWater(child.identifier))
            usleep(4000)
        }
        var result = ProcessUsage()
        result.wallSeconds = Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9
        let ending = try child.wait()
        result.cpuSeconds = ending.userAndSystemSeconds
        result.peakBytes = peak
        if ending.status != 0 {
            throw ChildError(
                description: "\(arguments.first ?? program): \(child.lastMessage ?? "status \(ending.status)")")
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
        let name = model.map { $0.trimmed } ?? "an unknown processor"
        return "\(ProcessInfo.processInfo.activeProcessorCount) cores of \(name)"
    }
}
