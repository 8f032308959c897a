// SPDX-License-Identifier: GPL-2.0-or-later

/// emulation_prevention_three_byte handling (7.3.1.1, 7.4.2).
package enum EmulationPrevention {
    /// The RBSP of a NAL unit's payload, and where (in RBSP bytes) each removed byte stood.
    package static func remove(_ payload: UnsafeBufferPointer<UInt8>) -> (rbsp: [UInt8], removed: [Int]) {
        let parts = parts(of: payload)
        return (parts.rbsp, parts.removed)
    }

    /// What `parts` finds in a payload.
    package struct Parts {
        package var rbsp: [UInt8]
        /// RBSP positions before which a byte was removed.
        package var removed: [Int]
        /// Whether `insert` makes the same payload again of the RBSP: the bytes stand where they must and nowhere else.
        package var isCanonical: Bool
    }

    /// The RBSP of a NAL unit's payload, which does not end in zero.
    package static func parts(of payload: UnsafeBufferPointer<UInt8>) -> Parts {
        var removed: [Int] = []
        var isCanonical = true
        let count = payload.count
        let rbsp = [UInt8](unsafeUninitializedCapacity: count) { out, written in
            var from = 0
            var to = 0
            var i = 2
            while i < count {
                // Only up to 3 and after two zeros does a byte matter: hop over those that cannot be it.
                if payload[i] > 3 {
                    i += 3
                } else if payload[i - 1] != 0 || payload[i - 2] != 0 {
                    i += 1
                } else if payload[i] == 3 {
                    if i + 1 < count && payload[i + 1] > 3 { isCanonical = false }
                    let length = i - from
                    if length > 0 {
                        (out.baseAddress! + to).initialize(from: payload.baseAddress! + from, count: length)
                    }
                    to += length
                    removed.append(to)
                    from = i + 1
                    i += 3
                } else {
                    isCanonical = false
                    i += 1
                }
            }
            if from < count {
                (out.baseAddress! + to).initialize(from: payload.baseAddress! + from, count: count - from)
                to += count - from
            }
            written = to
        }
        return Parts(rbsp: rbsp, removed: removed, isCanonical: isCanonical)
    }

    /// Appends an RBSP with the bytes that prevent start codes. `zeros`: how many zero bytes `out` ends with that
    /// count. Returns the positions in the RBSP before which a byte was inserted.
    @discardableResult
    package static func insert(_ rbsp: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) -> [Int] {
        var inserted: [Int] = []
        out.reserveCapacity(out.count + rbsp.count + rbsp.count / 64 + 4)
        var zeros = 0
        var from = 0
        for i in 0..<rbsp.count {
            let byte = rbsp[i]
            if zeros >= 2 && byte <= 3 {
                out.append(contentsOf: UnsafeBufferPointer(rebasing: rbsp[from..<i]))
                out.append(3)
                inserted.append(i)
                from = i
                zeros = 0
            }
            zeros = byte == 0 ? zeros + 1 : 0
        }
        out.append(contentsOf: UnsafeBufferPointer(rebasing: rbsp[from...]))
        // A NAL unit must not end in zero (cabac_zero_words end in 3).
        if rbsp.count > 0 && rbsp[rbsp.count - 1] == 0 { out.append(3) }
        return inserted
    }
}
