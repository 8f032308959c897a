// SPDX-License-Identifier: GPL-2.0-or-later
import VeilSystem

/// The cases that took the most time, and those that took the most memory.
struct Dearest {
    struct Entry {
        let seed: UInt64
        let kind: String
        let bytes: Int
        let seconds: Double
        /// By how much the process grew at most while it ran.
        let peak: Int

        var line: String {
            "seed \(seed) (\(kind), \(bytes) bytes): \(String(printf: "%.3f", seconds)) s, "
                + "\(String(printf: "%.1f", Double(peak) / 1_048_576)) MiB"
        }
    }

    let count: Int
    private(set) var slowest: [Entry] = []
    private(set) var largest: [Entry] = []

    init(count: Int) { self.count = count }

    mutating func add(_ entry: Entry) {
        Self.add(entry, to: &slowest, count) { $0.seconds > $1.seconds }
        Self.add(entry, to: &largest, count) { $0.peak > $1.peak }
    }

    private static func add(_ entry: Entry, to list: inout [Entry], _ count: Int, _ before: (Entry, Entry) -> Bool) {
        if list.count == count, let last = list.last, !before(entry, last) { return }
        list.insert(entry, at: list.firstIndex { before(entry, $0) } ?? list.count)
        if list.count > count { list.removeLast() }
    }
}

/// Memory of this process, as Linux tells it; 0 where it does not.
enum ProcessMemory {
    static func resident() -> Int { kilobytes("VmRSS:") }
    /// The most since the last reset.
    static func peak() -> Int { kilobytes("VmHWM:") }

    static func resetPeak() {
        let file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = write(file, "5", 1)
        close(file)
    }

    private static func kilobytes(_ name: String) -> Int {
        guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
            let number = line.split(whereSeparator: { !$0.isNumber }).first.flatMap({ Int($0) })
        else { return 0 }
        return number << 10
    }
}
