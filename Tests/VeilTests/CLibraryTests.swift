// SPDX-License-Identifier: GPL-2.0-or-later
import CVeil
import Foundation
import Testing
import VeilBitstream

@testable import Veil
@testable import VeilC

/// The functions of veil.h: misuse is an error with a number and a text, and settings reach the library.
@Suite(.serialized)
struct CLibraryTests {
    private func lastError() -> String { String(cString: veil_last_error()) }

    private func encoderSettings() -> veil_encoder_settings {
        var settings = veil_encoder_settings()
        #expect(veil_encoder_settings_init(&settings, MemoryLayout<veil_encoder_settings>.size) == 0)
        (settings.width, settings.height) = (64, 48)
        return settings
    }

    @Test func versions() {
        #expect(String(cString: veil_version()) == VeilLibrary.version)
        #expect(veil_abi_version() == VEIL_ABI_VERSION)
    }

    @Test func misuseIsAnError() {
        let usage = VEIL_ERROR_USAGE.rawValue
        #expect(veil_decoder_push(nil, nil, 0) == usage)
        #expect(veil_last_status() == usage && lastError() == "a null handle was given")
        #expect(veil_decoder_open(nil, nil) == usage)
        #expect(veil_encoder_settings_init(nil, MemoryLayout<veil_encoder_settings>.size) == usage)
        var settings = encoderSettings()
        for size in [0, 8, MemoryLayout<veil_encoder_settings>.size + 8, Int.max] {
            #expect(veil_encoder_settings_init(&settings, size) == usage)
            settings.struct_size = size
            var encoder: OpaquePointer? = OpaquePointer(bitPattern: 1)
            #expect(veil_encoder_open(&encoder, &settings) == usage && encoder == nil)
            #expect(lastError().contains("\(size) bytes"))
        }
        var transcoder: OpaquePointer?
        #expect(veil_transcoder_open(&transcoder, nil) == usage)
        var keys: OpaquePointer?
        #expect(veil_keys_generate(&keys, 64, "chacha20") == usage)
        #expect(veil_keys_generate(&keys, 2, "rot13") == usage && lastError() == "unknown cipher 'rot13'")
        #expect(veil_keys_open(&keys, "/nonexistent/keys.json") == VEIL_ERROR_KEYS.rawValue)
        veil_decoder_close(nil)
    }

    @Test func decodersTakeNothingAfterTheEnd() {
        var decoder: OpaquePointer?
        #expect(veil_decoder_open(&decoder, nil) == 0)
        defer { veil_decoder_close(decoder) }
        #expect(veil_decoder_push(decoder, nil, 5) == VEIL_ERROR_USAGE.rawValue)
        var picture = veil_picture()
        #expect(veil_decoder_picture(decoder, &picture) == VEIL_ERROR_USAGE.rawValue)
        #expect(veil_picture_init(&picture, MemoryLayout<veil_picture>.size) == 0)
        #expect(veil_decoder_picture(decoder, &picture) == 0)
        #expect(veil_decoder_finish(decoder) == 0)
        #expect(veil_decoder_finish(decoder) == VEIL_ERROR_USAGE.rawValue)
        #expect(veil_decoder_push(decoder, nil, 0) == VEIL_ERROR_USAGE.rawValue)
    }

    @Test(.enabled(if: VideoEncoder.isAvailable, "libx265 is not built in")) func settingsReachTheLibrary() throws {
        var given = encoderSettings()
        let plain = try given.librarySettings()
        #expect(plain.layers.count == 2 && plain.threads == 1 && plain.pyramid == nil && plain.keys == nil)
        given.layer.0.rate_mode = Int32(VEIL_RATE_BITRATE.rawValue)
        given.layer.0.rate = 100
        given.layer.1.rate_mode = Int32(VEIL_RATE_CRF.rawValue)
        given.layer.1.rate = 20
        given.layer.1.vbv_maxrate = 400
        given.layer.1.vbv_bufsize = 200
        given.layer.1.references = 1
        given.wavefront = 0
        let told = try given.librarySettings()
        #expect(told.layers[0].rate == .bitrate(100) && told.layers[1].rate == .crf(20))
        #expect(told.layers[1].buffer == .init(maxRate: 400, size: 200) && told.layers[1].references == [0])
        #expect(told.wavefront == false)
        try "view".withCString {
            var stereo = encoderSettings()
            stereo.layers = $0
            let told = try stereo.librarySettings()
            #expect(told.layers.map(\.isView) == [false, true] && told.layers.map(\.hasOwnSource) == [false, true])
        }
        given.layer.1.rate = 99
        var encoder: OpaquePointer?
        #expect(veil_encoder_open(&encoder, &given) == VEIL_ERROR_SETTINGS.rawValue)
        #expect(lastError() == "layer 1: CRF 99.0 is not within 0 to 51")
    }

    /// Luma alone, and chroma of the height of luma.
    @Test(
        .enabled(if: VideoEncoder.isAvailable, "libx265 is not built in"),
        arguments: [(VEIL_CHROMA_NONE, ChromaFormat.monochrome), (VEIL_CHROMA_422, .yuv422)])
    func otherChromaFormats(format: veil_chroma_format, chroma: ChromaFormat) throws {
        var given = encoderSettings()
        given.chroma_format = Int32(format.rawValue)
        var encoder: OpaquePointer?
        #expect(veil_encoder_open(&encoder, &given) == VEIL_ERROR_SETTINGS.rawValue)
        #expect(lastError() == "\(chroma) is coded in a single layer: layers are scalable in 4:2:0 (--layers 1)")
        "1".withCString {
            given.layers = $0
            #expect(veil_encoder_open(&encoder, &given) == 0, "\(lastError())")
        }
        defer { veil_encoder_close(encoder) }
        var settings = VideoEncoder.Settings(width: 64, height: 48)
        settings.layers = .single
        settings.chromaFormat = chroma
        let swift = try VideoEncoder(settings: settings)
        let planes = (0..<chroma.planeCount).map { c in
            (0..<(c == 0 ? 64 * 48 : 32 * 48)).map { UInt8(($0 * 5 + c) & 127 + 50) }
        }
        planes[0].withUnsafeBytes { y in
            planes[planes.count - 1].withUnsafeBytes { c in
                var picture = veil_picture()
                #expect(veil_picture_init(&picture, MemoryLayout<veil_picture>.size) == 0)
                (picture.width, picture.height, picture.bit_depth) = (64, 48, 8)
                picture.strides = (64, 32, 32)
                picture.planes.0 = y.baseAddress
                picture.chroma_format = 9
                #expect(veil_encoder_push(encoder, &picture) == VEIL_ERROR_USAGE.rawValue)
                picture.chroma_format = Int32(format.rawValue)
                if chroma != .monochrome {
                    #expect(veil_encoder_push(encoder, &picture) == VEIL_ERROR_USAGE.rawValue)
                    (picture.planes.1, picture.planes.2) = (c.baseAddress, c.baseAddress)
                }
                #expect(veil_encoder_push(encoder, &picture) == 0, "\(lastError())")
            }
        }
        #expect(veil_encoder_finish(encoder) == 0)
        var packet = veil_packet()
        #expect(veil_packet_init(&packet, MemoryLayout<veil_packet>.size) == 0)
        var theirs: [UInt8] = []
        while veil_encoder_packet(encoder, &packet) == 1 {
            theirs += UnsafeBufferPointer(start: packet.data, count: packet.size)
        }
        var samples = planes.map { $0.map(UInt16.init) }
        if chroma != .monochrome { samples[1] = samples[2] }
        var ours = try swift.push(VideoPicture(width: 64, height: 48, chromaFormat: chroma, planes: samples))
        ours += try swift.finish()
        #expect(!theirs.isEmpty && ours.flatMap(\.bytes) == theirs)
    }

    @Test(.enabled(if: VideoEncoder.isAvailable, "libx265 is not built in")) func theSameBytesAsFromSwift() throws {
        var given = encoderSettings()
        given.layer.0.rate_mode = Int32(VEIL_RATE_QP.rawValue)
        given.layer.0.rate = 30
        given.hashes = 1
        var encoder: OpaquePointer?
        #expect(veil_encoder_open(&encoder, &given) == 0, "\(lastError())")
        defer { veil_encoder_close(encoder) }
        var settings = VideoEncoder.Settings(width: 64, height: 48)
        settings.layers[0].rate = .qp(30)
        settings.sendsHashes = true
        let swift = try VideoEncoder(settings: settings)
        var (ours, theirs): ([UInt8], [UInt8]) = ([], [])
        var packet = veil_packet()
        #expect(veil_packet_init(&packet, MemoryLayout<veil_packet>.size) == 0)
        func drain() {
            while veil_encoder_packet(encoder, &packet) == 1 {
                theirs += UnsafeBufferPointer(start: packet.data, count: packet.size)
            }
        }
        for n in 0..<3 {
            // Rows with gaps.
            let luma = (0..<(80 * 48)).map { UInt8(($0 * 5 + n * 17) & 127 + 50) }
            let chroma = [UInt8](repeating: 120, count: 40 * 24)
            luma.withUnsafeBytes { y in
                chroma.withUnsafeBytes { c in
                    var picture = veil_picture()
                    #expect(veil_picture_init(&picture, MemoryLayout<veil_picture>.size) == 0)
                    (picture.width, picture.height, picture.bit_depth) = (64, 48, 8)
                    picture.planes = (y.baseAddress, c.baseAddress, c.baseAddress)
                    picture.strides = (63, 40, 40)
                    #expect(veil_encoder_push(encoder, &picture) == VEIL_ERROR_USAGE.rawValue)
                    picture.strides = (80, 40, 40)
                    #expect(veil_encoder_push(encoder, &picture) == 0, "\(lastError())")
                }
            }
            drain()
            let rows = (0..<48).flatMap { luma[($0 * 80)..<($0 * 80 + 64)].map(UInt16.init) }
            let flat = [UInt16](repeating: 120, count: 32 * 24)
            ours += try swift.push(VideoPicture(width: 64, height: 48, planes: [rows, flat, flat])).flatMap(\.bytes)
        }
        #expect(veil_encoder_finish(encoder) == 0)
        drain()
        ours += try swift.finish().flatMap(\.bytes)
        #expect(!ours.isEmpty && ours == theirs)
    }

    /// Pushes a stream through a transcoder of the C library.
    private func transcode(
        _ bytes: [UInt8], _ change: (inout veil_transcoder_settings) -> Void
    ) -> (status: Int32, bytes: [UInt8], report: veil_transcoder_report) {
        var settings = veil_transcoder_settings()
        var report = veil_transcoder_report()
        report.struct_size = MemoryLayout<veil_transcoder_report>.size
        #expect(veil_transcoder_settings_init(&settings, MemoryLayout<veil_transcoder_settings>.size) == 0)
        change(&settings)
        var transcoder: OpaquePointer?
        var code = veil_transcoder_open(&transcoder, &settings)
        guard code == 0 else { return (code, [], report) }
        defer { veil_transcoder_close(transcoder) }
        var packet = veil_packet()
        #expect(veil_packet_init(&packet, MemoryLayout<veil_packet>.size) == 0)
        code = veil_transcoder_push(transcoder, bytes, bytes.count)
        if code == 0 { code = veil_transcoder_finish(transcoder) }
        var out: [UInt8] = []
        while veil_transcoder_packet(transcoder, &packet) == 1 {
            out += UnsafeBufferPointer(start: packet.data, count: packet.size)
        }
        #expect(veil_transcoder_get_report(transcoder, &report) == 0)
        return (code, out, report)
    }

    @Test func damageIsSealedAndKeysAreExchanged() throws {
        let url = Run.root.appendingPathComponent("Tests/Vectors/ldp_2x.bit")
        // The last slice lost its end.
        var units = try AnnexBReader.units(of: [UInt8](try Data(contentsOf: url)), for: .passingOn)
        let last = try #require(units.lastIndex { $0.header.nalUnitType.isSlice })
        units[last].bytes.removeLast(3)
        var damaged: [UInt8] = []
        for unit in units { damaged.append(annexB: unit) }
        var (keys, others): (OpaquePointer?, OpaquePointer?)
        #expect(veil_keys_generate(&keys, 2, "aes-256-ctr") == 0 && veil_keys_generate(&others, 2, "chacha20") == 0)
        defer {
            veil_keys_close(keys)
            veil_keys_close(others)
        }
        func encrypt(_ policy: veil_damage) -> (status: Int32, bytes: [UInt8], report: veil_transcoder_report) {
            transcode(damaged) {
                $0.operation = Int32(VEIL_ENCRYPT.rawValue)
                $0.keys = keys
                $0.damaged = Int32(policy.rawValue)
            }
        }
        #expect(encrypt(VEIL_DAMAGE_ERROR).status == VEIL_ERROR_PROTECTION.rawValue)
        let dropped = encrypt(VEIL_DAMAGE_DROP).report
        #expect(dropped.dropped == 1 && dropped.is_whole == 0)
        let passed = encrypt(VEIL_DAMAGE_PASS).report
        #expect(passed.passed == 1 && passed.is_whole == 0)
        let sealed = encrypt(VEIL_DAMAGE_SEAL)
        #expect(sealed.status == 0 && sealed.report.sealed == 1 && sealed.report.is_whole == 1)
        let exchanged = transcode(sealed.bytes) {
            $0.operation = Int32(VEIL_REKEY.rawValue)
            $0.old_keys = keys
            $0.keys = others
            $0.damaged = Int32(VEIL_DAMAGE_SEAL.rawValue)
            $0.protection.authenticate = 1
        }
        #expect(exchanged.status == 0 && exchanged.bytes != sealed.bytes, "\(lastError())")
        let clear = transcode(exchanged.bytes) {
            $0.operation = Int32(VEIL_DECRYPT.rawValue)
            $0.keys = others
            $0.strict = 1
        }
        #expect(clear.status == 0 && clear.bytes == damaged && clear.report.is_whole == 1, "\(lastError())")
        #expect(clear.report.verified_pictures > 0)
        let wrong = transcode(exchanged.bytes) {
            $0.operation = Int32(VEIL_DECRYPT.rawValue)
            $0.keys = keys
        }
        #expect(wrong.status == VEIL_ERROR_KEYS.rawValue && wrong.bytes.isEmpty)
        #expect(transcode(damaged) { $0.operation = Int32(VEIL_REKEY.rawValue) }.status == VEIL_ERROR_USAGE.rawValue)
    }
}
