// swift-tools-version: 6.0
// SPDX-License-Identifier: GPL-2.0-or-later
import Foundation
import PackageDescription

/// The base layer encoder is built in when libx265's header is there.
let hasX265 = ["/usr/include/x265.h", "/usr/local/include/x265.h", "/opt/homebrew/include/x265.h"]
    .contains { FileManager.default.fileExists(atPath: $0) }

let cKernels: [CSetting] = [.define("NDEBUG", .when(configuration: .release))]

let package = Package(
    name: "Veil",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "veil", targets: ["veil"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    ],
    targets: [
        .target(name: "CVeilKernels", path: "CModules/CVeilKernels", cSettings: cKernels),
        .target(name: "VeilSyntax"),
        .target(name: "VeilBins", dependencies: ["VeilSyntax"]),
        .target(name: "VeilRecon", dependencies: ["VeilBins", "CVeilKernels"]),
        .target(
            name: "VeilDecoder", dependencies: ["VeilRecon", .product(name: "Crypto", package: "swift-crypto")]),
        .target(
            name: "VeilBaseLayer", dependencies: ["VeilRecon"] + (hasX265 ? ["CX265"] : []),
            swiftSettings: hasX265 ? [.define("VEIL_X265")] : []),
        .target(name: "VeilEncoder", dependencies: ["VeilRecon", "CVeilKernels", "VeilBaseLayer"]),
        .target(
            name: "VeilCrypto",
            dependencies: [
                "VeilBins",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        .target(name: "VeilTranscoder", dependencies: ["VeilBins", "VeilCrypto"]),
        .target(name: "VeilMedia"),
        .executableTarget(
            name: "veil",
            dependencies: [
                "VeilDecoder", "VeilEncoder", "VeilCrypto", "VeilTranscoder", "VeilMedia",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "VeilDecoderTests",
            dependencies: ["VeilDecoder", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(name: "KernelTests", dependencies: ["CVeilKernels"]),
        .testTarget(name: "VeilBinsTests", dependencies: ["VeilBins"]),
        .testTarget(name: "VeilReconTests", dependencies: ["VeilRecon"]),
        .testTarget(name: "VeilCryptoTests", dependencies: ["VeilCrypto"]),
        .testTarget(
            name: "VeilTranscoderTests",
            dependencies: ["VeilTranscoder", "VeilDecoder", "VeilEncoder", "VeilBaseLayer", "VeilCrypto"]),
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .gnucxx17
)

if hasX265 {
    package.targets.append(
        .target(name: "CX265", path: "CModules/CX265", linkerSettings: [.linkedLibrary("x265")]))
}
