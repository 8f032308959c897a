// SPDX-License-Identifier: GPL-2.0-or-later
import VeilMedia
import VeilSystem

/// The line that progress is shown on, on terminals only.
enum ProgressLine {
    private nonisolated(unsafe) static var isShown = false
    static let isWanted = isatty(2) != 0 && ProcessInfo.processInfo.environment["TERM"] != "dumb"

    static func show(_ text: String) {
        guard isWanted, LogLevel.current >= .info else { return }
        isShown = true
        StandardError.write("\r\u{1B}[K\(text)")
    }

    static func clear() {
        guard isShown else { return }
        isShown = false
        StandardError.write("\r\u{1B}[K")
    }
}

/// Pictures coded so far, how fast, at what bitrate, how large each layer is, and how long it will take.
struct Progress {
    /// Pictures there will be, when that is known.
    let total: Int?
    let framesPerSecond: Double
    private let start = DispatchTime.now().uptimeNanoseconds
    private var last: UInt64 = 0
    private(set) var frames = 0
    private(set) var layerBytes: [Int] = []

    init(total: Int?, framesPerSecond: Double) {
        self.total = total
        self.framesPerSecond = framesPerSecond
    }

    private var elapsed: Double { Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9 }

    /// A picture is done, with slices of so many bytes in each layer.
    mutating func add(_ bytes: [Int]) {
        frames += 1
        while layerBytes.count < bytes.count { layerBytes.append(0) }
        for (i, size) in bytes.enumerated() { layerBytes[i] += size }
        let now = DispatchTime.now().uptimeNanoseconds
        guard ProgressLine.isWanted, now - last > 200_000_000 else { return }
        last = now
        ProgressLine.show(line)
    }

    /// Bits a second of the coded video, all layers.
    var bitrate: Double { frames == 0 ? 0 : Double(layerBytes.reduce(0, +) * 8) * framesPerSecond / Double(frames) }
    var speed: Double { Double(frames) / max(elapsed, 1e-6) }

    var line: String {
        var text = total.map { "\(frames)/\($0)" } ?? "\(frames)"
        text += String(printf: " frames  %.1f fps  %.0f kb/s", speed, bitrate / 1000)
        for (i, size) in layerBytes.enumerated() {
            text += String(printf: "  layer %d %.1f kB", i, Double(size) / 1000)
        }
        if let total, frames > 0, total > frames {
            let left = Int(Double(total - frames) / speed + 0.5)
            text += String(printf: "  ETA %d:%02d", left / 60, left % 60)
        }
        return text
    }
}

/// How long pictures took from their arrival to their access unit, when both are pipes or files of the same machine.
struct Latency {
    private var arrivals: [Int: UInt64] = [:]
    private var sum = 0.0
    private var count = 0
    private(set) var largest = 0.0

    /// A picture came, by its place in display order.
    mutating func arrive(_ index: Int) { arrivals[index] = DispatchTime.now().uptimeNanoseconds }

    /// Its access unit went.
    mutating func leave(_ index: Int) {
        guard let arrival = arrivals.removeValue(forKey: index) else { return }
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - arrival) / 1e9
        sum += seconds
        count += 1
        largest = max(largest, seconds)
    }

    /// Seconds.
    var mean: Double { sum / Double(max(count, 1)) }
}
