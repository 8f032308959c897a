// SPDX-License-Identifier: GPL-2.0-or-later
import Crypto
import VeilEntropy
import VeilSystem

/// Keystream for tests and measurements.
public enum KeystreamSample {
    /// The first words of the first unit's keystream under a key made from a seed and an index (SHA-256 of both, big
    /// endian). `count` is rounded up to what the generator makes at once.
    public static func words(_ cipher: CipherKind, seed: UInt64, index: Int, count: Int) throws -> [UInt32] {
        var stream = try keystream(cipher, seed: seed, index: index)
        stream.start(UnitNonce(period: 0, pocDelta: 0, ctuAddress: 0))
        var words = [UInt32](repeating: 0, count: (count + 511) / 512 * 512)
        words.withUnsafeMutableBufferPointer { all in
            for at in stride(from: 0, to: all.count, by: 512) {
                stream.fill(UnsafeMutableBufferPointer(rebasing: all[at..<(at + 512)]))
            }
        }
        return words
    }

    private static func keystream(_ cipher: CipherKind, seed: UInt64, index: Int) throws -> any Keystream {
        guard let stream = cipher.makeKeystream(key: key(seed: seed, index: index)) else {
            throw ProtectionError.unsupported(reason: "\(cipher.name) is no generator of this program")
        }
        return stream
    }

    /// What a generator costs, in seconds of user time.
    public struct Speed: Sendable {
        public var secondsPerByte: Double
        public var secondsPerUnit: Double
        /// Of the hook over runs as they are mixed in video (signs, suffixes, vector differences), keystream included.
        public var secondsPerBin: Double
    }

    public static func speed(_ cipher: CipherKind) throws -> Speed {
        func userTime() -> Double {
            var usage = rusage()
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return Double(usage.ru_utime.tv_sec) + Double(usage.ru_utime.tv_usec) * 1e-6
        }
        /// Seconds a call, over a tenth of a second at least.
        func time(_ body: () -> Void) -> Double {
            var calls = 1
            while true {
                let start = userTime()
                for _ in 0..<calls { body() }
                let taken = userTime() - start
                if taken > 0.1 { return taken / Double(calls) }
                calls *= 4
            }
        }
        var stream = try keystream(cipher, seed: 1, index: 0)
        let words = UnsafeMutableBufferPointer<UInt32>.allocate(capacity: 512)
        words.initialize(repeating: 0)
        defer { words.deallocate() }
        let nonce = UnitNonce(period: 0, pocDelta: 0, ctuAddress: 0)
        stream.start(nonce)
        let fill = time { stream.fill(words) }
        let start = time { stream.start(nonce) }
        // Signs of five coefficients, two suffixes, now and then a vector difference.
        var runs: [BinRun] = []
        var bins = 0
        for i in 0..<600 {
            runs.append(BinRun(.coeffSign, bins: UInt32(i & 31), count: 5))
            runs.append(
                BinRun(
                    .coeffSuffix, bins: UInt32(i & 3), count: 2, value: Int32(4 + i & 3), riceParam: 2, baseLevel: 1,
                    prefix: 1))
            runs.append(
                BinRun(.coeffSuffix, bins: UInt32(i & 1), count: 1, value: Int32(i & 1), riceParam: 1, baseLevel: 2))
            bins += 8
            if i % 6 == 0 {
                runs.append(BinRun(.mvdSuffix, bins: 1, count: 2, value: 5, prefix: 1))
                runs.append(BinRun(.mvdSign, bins: 1, count: 1, value: 5))
                bins += 3
            }
        }
        var message = ProtectionMessage()
        message.cipher = cipher
        message.feedback = cipher == .chaotic
        let hook: any BinHook = BinCipher(
            message: message, keystream: try keystream(cipher, seed: 2, index: 0), decrypts: false, statistics: nil)
        hook.begin(BinUnit(layer: 0, period: 0, pocDelta: 0, ctuAddress: 0))
        var sum: UInt32 = 0
        let replace = time { for run in runs { sum &+= hook.replace(run) } }
        precondition(sum != 1 || bins > 0)
        return Speed(secondsPerByte: fill / 2048, secondsPerUnit: start, secondsPerBin: replace / Double(bins))
    }

    static func key(seed: UInt64, index: Int) -> [UInt8] {
        var message = Data()
        for value in [seed, UInt64(index)] {
            for i in 0..<8 { message.append(UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * i))) }
        }
        return Array(SHA256.hash(data: message))
    }
}
