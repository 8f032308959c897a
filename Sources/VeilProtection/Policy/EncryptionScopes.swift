// SPDX-License-Identifier: GPL-2.0-or-later

extension Encryption.Options {
    /// What these options say nothing of is as the messages of the encryption say whose keys are exchanged: tags, of
    /// each layer profile, elements and the pictures that are selected; scheme and hidden pictures where these are
    /// kept.
    /// - Parameters:
    ///   - messages: of the layers, as far as they are known.
    ///   - last: one of them.
    /// Throws ``KeyError`` where a layer has regions, which are not told in samples of other layers.
    mutating func inherit(_ messages: [Int: ProtectionMessage], last: ProtectionMessage) throws {
        if keepsScheme { scheme = last.scheme }
        authenticates = authenticates || messages.values.contains(where: \.isAuthenticated)
        if keepsHiding { hiding = last.hiding }
        let keepsElements = profile == nil && elements == nil
        let keepsSelection = selection.isEverything && tiles == nil
        for (layer, message) in messages.sorted(by: { $0.key < $1.key }) {
            if keepsSelection && !message.selection.regions.isEmpty {
                throw KeyError.unsupported(
                    layer: layer, reason: "is encrypted in regions: say which ones the new encryption has (--roi)")
            }
            var kept = Kept()
            if keepsElements {
                kept.profile = message.profile
                kept.elements = message.elements
            }
            if keepsSelection { kept.selection = message.selection }
            self.kept[layer] = kept
        }
        // Layers whose own message is still to come are taken for encrypted like the last one.
        for layer in 0..<63 where last.version > 1 && last.protectedLayers >> UInt64(layer) & 1 == 1 {
            if self.kept[layer] == nil { self.kept[layer] = self.kept[last.layer] }
        }
    }

    /// What of each layer is encrypted: regions scaled to each layer's size, outwards, and the tiles' rectangles.
    /// - Parameters:
    ///   - sizes: luma size of each layer's pictures as they are shown.
    ///   - origins: where what is shown begins in them.
    ///   - tiles: rectangles of the tiles asked for in each layer, in its luma samples.
    /// Throws ``ProtectionError`` where a region lies outside the highest layer's pictures.
    func scopes(
        _ sizes: [Int: (width: Int, height: Int)], origins: [Int: (x: Int, y: Int)] = [:],
        tiles: [Int: [EncryptionScope.Region]] = [:]
    ) throws -> [Int: EncryptionScope] {
        guard let (_, top) = sizes.max(by: { $0.key < $1.key }) else { return [:] }
        for region in selection.regions where region.x >= top.width || region.y >= top.height {
            throw ProtectionError.nothing(
                reason: "the region \(region.x),\(region.y),\(region.width),\(region.height) lies outside the picture "
                    + "(\(top.width)x\(top.height))")
        }
        return try sizes.reduce(into: [:]) { result, layer in
            var scope = selection
            scope.regions = []
            for tile in tiles[layer.key] ?? [] where !scope.regions.contains(tile) { scope.regions.append(tile) }
            scope.regions += selection.regions.map {
                $0.scaled(from: top, to: layer.value).moved(by: origins[layer.key] ?? (0, 0))
            }
            guard scope.regions.count <= EncryptionScope.maxRegions else {
                throw ProtectionError.unsupported(
                    reason: "\(scope.regions.count) regions and tiles in layer \(layer.key): a message can tell "
                        + "\(EncryptionScope.maxRegions)")
            }
            result[layer.key] = scope
        }
    }
}

extension EncryptionScope.Region {
    /// As many samples as a message can tell.
    private static let maxExtent = 65535

    fileprivate func moved(by origin: (x: Int, y: Int)) -> Self {
        Self(x: x + origin.x, y: y + origin.y, width: width, height: height)
    }

    /// The least rectangle of a picture of another size that covers the region.
    fileprivate func scaled(from whole: (width: Int, height: Int), to size: (width: Int, height: Int)) -> Self {
        let left = x * size.width / whole.width
        let top = y * size.height / whole.height
        let right = ((x + width) * size.width + whole.width - 1) / whole.width
        let bottom = ((y + height) * size.height + whole.height - 1) / whole.height
        return Self(
            x: left, y: top, width: min(right - left, Self.maxExtent), height: min(bottom - top, Self.maxExtent))
    }
}
