// swift-tools-version: 6.0
// SPDX-License-Identifier: GPL-2.0-or-later
import PackageDescription

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
        .target(name: "VeilEncoder", dependencies: ["VeilRecon"]),
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
    ],
    cLanguageStandard: .gnu11,
    cxxLanguageStandard: .gnucxx17
)
