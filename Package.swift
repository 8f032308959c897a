// swift-tools-version: 6.0
// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import PackageDescription

/// Whether a library's development files are there.
func has(_ header: String) -> Bool {
    ["/usr/include/", "/usr/local/include/", "/opt/homebrew/include/"]
        .contains { FileManager.default.fileExists(atPath: $0 + header) }
}

/// The base layer encoder is built in when libx265's header is there.
let hasX265 = has("x265.h")

/// libx265's files with the bin hook and pyramids were prepared (`make x265-hook`): they are linked in front of the
/// static archive.
let hasHook =
    hasX265
    && FileManager.default.fileExists(atPath: Context.packageDirectory + "/CModules/CX265Hook/vendor/level.cpp")
    && FileManager.default.fileExists(atPath: "/usr/lib/x86_64-linux-gnu/libx265.a")

/// VEIL_PACKAGE=1 in the environment builds what packages hold (Scripts/build-static): without the encoder of 12 bits,
/// of which there are 5 MB (Packaging/x265-12-stub.c), and with those modules that no picture's samples go through
/// small rather than fast.
let isPackaged = ProcessInfo.processInfo.environment["VEIL_PACKAGE"] == "1"
let hasHook12 = hasHook && !isPackaged
let small: [SwiftSetting] = isPackaged ? [.unsafeFlags(["-Osize"])] : []

/// Pictures of sheets and reports are written by libpng and libjpeg-turbo where their headers are.
let pictureLibraries = [
    (header: "png.h", define: "VEIL_PNG", library: "png16"),
    (header: "turbojpeg.h", define: "VEIL_JPEG", library: "turbojpeg"),
].filter { has($0.header) }

/// VEIL_SANITIZE=1 in the environment builds the C kernels, and the fuzz driver that runs them, with the address
/// sanitizer and traps on undefined behaviour.
let sanitizes = ProcessInfo.processInfo.environment["VEIL_SANITIZE"] == "1"

/// VEIL_FUZZER=1 in the environment adds veil-fuzz-cover, which libFuzzer drives (Docs/Coverage.md).
let coversForFuzzing = ProcessInfo.processInfo.environment["VEIL_FUZZER"] == "1"

let cKernels: [CSetting] =
    [.define("NDEBUG", .when(configuration: .release))]
    + (sanitizes ? [.unsafeFlags(["-fsanitize=address,undefined", "-fsanitize-trap=undefined"])] : [])

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")

let package = Package(
    name: "Veil",
    products: [
        .executable(name: "veil", targets: ["VeilTool"]),
        .library(name: "Veil", targets: ["Veil"]),
        .library(name: "VeilC", type: .dynamic, targets: ["VeilC"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        // Each layer of the program knows those above it in this list and none below.
        .target(name: "CVeilKernels", path: "CModules/VeilKernels", cSettings: cKernels),
        .target(name: "VeilSystem"),
        .target(name: "VeilCore", dependencies: ["VeilSystem", "CVeilKernels"]),
        .target(name: "VeilBitstream", dependencies: ["VeilSystem"]),
        .target(name: "VeilEntropy", dependencies: ["VeilSystem", "VeilCore", "VeilBitstream"]),
        .target(name: "VeilRecon", dependencies: ["VeilSystem", "VeilEntropy", "CVeilKernels", crypto]),
        .target(name: "VeilDecoder", dependencies: ["VeilSystem", "VeilRecon", "CVeilKernels"]),
        .target(
            name: "VeilEncoder",
            dependencies: ["VeilSystem", "VeilRecon", "CVeilKernels"] + (hasX265 ? ["CX265"] : [])
                + (hasHook ? ["CX265Hook", "CX265Hook10"] : []) + (hasHook12 ? ["CX265Hook12"] : []),
            swiftSettings: (hasX265 ? [.define("VEIL_X265")] : []) + (hasHook ? [.define("VEIL_X265_HOOK")] : [])
                + (hasHook12 ? [.define("VEIL_X265_HOOK12")] : [])),
        .target(name: "VeilProtection", dependencies: ["VeilSystem", "VeilEntropy", crypto, cryptoExtras]),
        .target(name: "VeilMedia", dependencies: ["VeilSystem", "VeilBitstream", "VeilCore"], swiftSettings: small),
        .target(
            name: "Veil",
            dependencies: ["VeilSystem", "VeilDecoder", "VeilEncoder", "VeilProtection", "VeilMedia", deque]),
        .target(name: "CVeil", path: "CModules/CVeil", exclude: ["symbols.map"]),
        // libx265's assembly refers to its own tables directly, which a shared library must promise not to redirect.
        .target(
            name: "VeilC", dependencies: ["VeilSystem", "CVeil", "Veil", deque],
            // The number of the soname is VEIL_ABI_VERSION of veil.h.
            linkerSettings: [
                .unsafeFlags(
                    [
                        "-Xlinker", "-Bsymbolic", "-Xlinker", "-soname=libVeilC.so.1",
                        // Nothing but the functions of veil.h is shown.
                        "-Xlinker", "--version-script=\(Context.packageDirectory)/CModules/CVeil/symbols.map",
                    ], .when(platforms: [.linux]))
            ]),
        .target(
            name: "CPictures", path: "CModules/CPictures", cSettings: pictureLibraries.map { .define($0.define) },
            linkerSettings: pictureLibraries.map { .linkedLibrary($0.library) }),
        .target(
            name: "VeilLab",
            dependencies: [
                "VeilSystem", "VeilDecoder", "VeilEncoder", "VeilProtection", "VeilMedia", "CPictures", crypto,
                cryptoExtras,
            ], swiftSettings: small),
        .executableTarget(
            name: "VeilTool",
            dependencies: [
                "VeilSystem", "Veil", "VeilLab",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                // For libyaml, which is in it: Sources/VeilTool/YAML.swift.
                .product(name: "Yams", package: "Yams"),
            ], swiftSettings: small),
        .executableTarget(
            name: "veil-fuzz", dependencies: ["VeilSystem", "VeilLab"], path: "Sources/VeilFuzz",
            linkerSettings: sanitizes ? [.unsafeFlags(["-sanitize=address"])] : []),
        .executableTarget(name: "veil-examples", dependencies: ["Veil"], path: "Examples/swift"),
        // What several test targets share.
        .target(name: "TestSupport", path: "Tests/TestSupport"),
        .testTarget(name: "KernelTests", dependencies: ["CVeilKernels", "TestSupport"]),
        .testTarget(name: "VeilSystemTests", dependencies: ["VeilSystem"]),
        .testTarget(name: "VeilCoreTests", dependencies: ["VeilCore", "TestSupport"]),
        .testTarget(name: "VeilBitstreamTests", dependencies: ["VeilBitstream", "TestSupport"]),
        .testTarget(name: "VeilEntropyTests", dependencies: ["VeilEntropy", "TestSupport", "VeilProtection"]),
        .testTarget(name: "VeilReconTests", dependencies: ["VeilRecon", "TestSupport"]),
        .testTarget(name: "VeilDecoderTests", dependencies: ["VeilDecoder", "TestSupport", crypto]),
        .testTarget(name: "VeilEncoderTests", dependencies: ["VeilEncoder", "TestSupport"]),
        .testTarget(
            name: "VeilProtectionTests", dependencies: ["VeilProtection", "VeilDecoder", "VeilEncoder", "TestSupport"]),
        .testTarget(name: "VeilMediaTests", dependencies: ["VeilSystem", "VeilMedia", "TestSupport"]),
        .testTarget(name: "VeilTests", dependencies: ["Veil", "VeilC", "CVeil", "VeilTool", "veil-examples"]),
        .testTarget(name: "VeilLabTests", dependencies: ["VeilLab", "TestSupport"]),
        .testTarget(
            name: "VeilToolTests",
            dependencies: [
                "VeilTool", "VeilLab", "Veil", "VeilBitstream", "VeilMedia", "VeilC", "veil-examples", "TestSupport",
            ]),
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .gnucxx17
)

if coversForFuzzing {
    package.targets.append(
        .executableTarget(
            name: "veil-fuzz-cover", dependencies: ["VeilLab"], path: "Sources/VeilFuzzCover",
            // libFuzzer brings the main function.
            swiftSettings: [.unsafeFlags(["-parse-as-library"])], linkerSettings: [.unsafeFlags(["-sanitize=fuzzer"])]))
}

if hasX265 {
    // libx265's archive needs what libx265.so brings along by itself.
    let libraries = hasHook ? [":libx265.a", ":libnuma.so.1", "stdc++", "dl"] : ["x265"]
    package.targets.append(
        .target(name: "CX265", path: "CModules/CX265", linkerSettings: libraries.map { .linkedLibrary($0) }))
}

if hasHook {
    // As libx265's own objects are compiled, of each bit depth.
    func defines(_ own: [String: String]) -> [CXXSetting] {
        let common = [
            "X265_ARCH_X86": "1", "X86_64": "1", "ENABLE_ASSEMBLY": "1", "HAVE_INT_TYPES_H": "1",
            "__STDC_LIMIT_MACROS": "1",
        ]
        return common.merging(own) { $1 }.sorted { $0.key < $1.key }.map { .define($0.key, to: $0.value) }
    }
    package.targets.append(
        .target(
            name: "CX265Hook", path: "CModules/CX265Hook",
            sources: ["veil_hook.cpp"]
                + ["entropy", "slicetype", "dpb", "ratecontrol", "level"].map { "vendor/\($0).cpp" },
            cxxSettings: defines(["X265_NS": "x265", "X265_DEPTH": "8", "HIGH_BIT_DEPTH": "0", "EXPORT_C_API": "1"])
                + [.headerSearchPath("vendor"), .headerSearchPath(".")]))
    for depth in [10] + (hasHook12 ? [12] : []) {
        package.targets.append(
            .target(
                name: "CX265Hook\(depth)", dependencies: ["CX265Hook"], path: "CModules/CX265Hook\(depth)",
                sources: ["hook\(depth).cpp", "vendor\(depth)"],
                cxxSettings: defines([
                    "X265_NS": "x265_\(depth)bit", "X265_DEPTH": "\(depth)", "HIGH_BIT_DEPTH": "1",
                    "EXPORT_C_API": "0",
                ])
                    + [.headerSearchPath("../CX265Hook/vendor"), .headerSearchPath("../CX265Hook")]))
    }
}
