// SPDX-License-Identifier: GPL-2.0-or-later

/// Places of samples in a file.
struct FileRanges {
    /// Ascending, apart.
    private var ranges: [(start: Int, end: Int)] = []

    /// O(n log n).
    init(_ samples: [MediaSample]) {
        for sample in samples.sorted(by: { $0.offset < $1.offset }) where sample.size > 0 {
            let end = sample.offset + sample.size
            if let last = ranges.last, sample.offset <= last.end {
                ranges[ranges.count - 1].end = max(last.end, end)
            } else {
                ranges.append((sample.offset, end))
            }
        }
    }

    /// Whether one of some places has a byte in common with these. O(m log n).
    func overlap(_ places: [(offset: Int, size: Int)]) -> Bool {
        places.contains { offset, size in
            // The first that ends behind the place's beginning.
            var low = 0
            var high = ranges.count
            while low < high {
                let middle = (low + high) / 2
                if ranges[middle].end > offset { high = middle } else { low = middle + 1 }
            }
            return low < ranges.count && ranges[low].start < offset + size
        }
    }
}
