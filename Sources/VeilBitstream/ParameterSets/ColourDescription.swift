// SPDX-License-Identifier: GPL-2.0-or-later

/// What the samples of a video mean (H.265 Annex E and D.2.28, D.2.35; H.273): carried from a source to every layer and
/// from a stream to every output. Nil where nothing is said.
public struct ColourDescription: Equatable, Sendable {
    /// colour_primaries, transfer_characteristics and matrix_coeffs (H.273); 2 is "unspecified".
    public var primaries: Int?
    public var transfer: Int?
    /// preferred_transfer_characteristics: what displays that know it take in place of `transfer` (D.2.38).
    public var alternativeTransfer: Int?
    public var matrix: Int?
    /// video_full_range_flag.
    public var isFullRange: Bool?
    /// chroma_sample_loc_type, 0 to 5.
    public var chromaLocation: Int?
    /// Width and height of a sample.
    public var sampleAspect: (width: Int, height: Int)?
    public var masteringDisplay: MasteringDisplay?
    public var contentLight: ContentLight?

    /// Mastering display colour volume: coordinates in units of 0.00002, luminances in 0.0001 cd/m2.
    public struct MasteringDisplay: Equatable, Sendable {
        /// x and y of green, blue and red, as the SEI message has them.
        public var green = (x: 0, y: 0)
        public var blue = (x: 0, y: 0)
        public var red = (x: 0, y: 0)
        public var white = (x: 0, y: 0)
        public var maxLuminance = 0
        public var minLuminance = 0

        public init() {}

        public static func == (a: Self, b: Self) -> Bool { a.numbers == b.numbers }

        /// In the order of D.2.28.
        package var numbers: [Int] {
            [
                green.x, green.y, blue.x, blue.y, red.x, red.y, white.x, white.y, maxLuminance, minLuminance,
            ]
        }

        /// Ten numbers in the order of D.2.28.
        package init(numbers n: [Int]) {
            green = (n[0], n[1])
            blue = (n[2], n[3])
            red = (n[4], n[5])
            white = (n[6], n[7])
            (maxLuminance, minLuminance) = (n[8], n[9])
        }

        /// As x265 takes it: `G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`.
        public var text: String {
            "G(\(green.x),\(green.y))B(\(blue.x),\(blue.y))R(\(red.x),\(red.y))WP(\(white.x),\(white.y))"
                + "L(\(maxLuminance),\(minLuminance))"
        }

        /// Nil where the text is not of that form.
        public init?(text: String) {
            let parts = text.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
            let letters = text.filter { $0.isLetter }
            guard letters == "GBRWPL", !text.contains("-"), parts.count == 10, parts[..<8].allSatisfy({ $0 <= 0xFFFF }),
                parts[8...].allSatisfy({ $0 <= 0xFFFF_FFFF })
            else { return nil }
            self.init(numbers: parts)
        }
    }

    /// max_content_light_level and max_pic_average_light_level in cd/m2.
    public struct ContentLight: Equatable, Sendable {
        public var maximum: Int
        public var average: Int

        public init(maximum: Int, average: Int) {
            self.maximum = maximum
            self.average = average
        }
    }

    public init() {}

    /// Whether nothing at all is said.
    public var isEmpty: Bool { self == ColourDescription() }

    public static func == (a: Self, b: Self) -> Bool {
        a.primaries == b.primaries && a.transfer == b.transfer && a.matrix == b.matrix
            && a.alternativeTransfer == b.alternativeTransfer
            && a.isFullRange == b.isFullRange && a.chromaLocation == b.chromaLocation
            && a.sampleAspect.map { [$0.width, $0.height] } == b.sampleAspect.map { [$0.width, $0.height] }
            && a.masteringDisplay == b.masteringDisplay && a.contentLight == b.contentLight
    }
}

extension ColourDescription {
    /// What sources of several claims are left with: this one's where it says something, the other's elsewhere.
    public func completed(by other: ColourDescription) -> ColourDescription {
        var result = self
        result.primaries = primaries ?? other.primaries
        result.transfer = transfer ?? other.transfer
        result.matrix = matrix ?? other.matrix
        result.alternativeTransfer = alternativeTransfer ?? other.alternativeTransfer
        result.isFullRange = isFullRange ?? other.isFullRange
        result.chromaLocation = chromaLocation ?? other.chromaLocation
        result.sampleAspect = sampleAspect ?? other.sampleAspect
        result.masteringDisplay = masteringDisplay ?? other.masteringDisplay
        result.contentLight = contentLight ?? other.contentLight
        return result
    }

    /// What cannot be written, or is no description of the pictures; nil where all is well.
    /// - Parameter is444: they have as many chroma as luma samples.
    package func problem(is444: Bool) -> String? {
        for (name, value) in [
            ("colour primaries", primaries), ("transfer characteristics", transfer), ("matrix coefficients", matrix),
            ("alternative transfer characteristics", alternativeTransfer),
        ] { if let value, !(0...255).contains(value) { return "\(name) are 0 to 255, not \(value)" } }
        if matrix == 0 && !is444 { return "matrix coefficients 0 (gbr) are for 4:4:4 pictures" }
        if let chromaLocation, !(0...5).contains(chromaLocation) {
            return "the chroma location is 0 to 5, not \(chromaLocation)"
        }
        if let (width, height) = sampleAspect, !(1...65535).contains(width) || !(1...65535).contains(height) {
            return "a sample aspect of \(width):\(height) cannot be told (1 to 65535)"
        }
        if let numbers = masteringDisplay?.numbers,
            numbers.enumerated().contains(where: { !(0...($0.offset < 8 ? 0xFFFF : 0xFFFF_FFFF)).contains($0.element) })
        {
            return "a number of the mastering display is out of range"
        }
        if let light = contentLight, !(0...65535).contains(light.maximum) || !(0...65535).contains(light.average) {
            return "content light levels are 0 to 65535"
        }
        return nil
    }

    /// The same pictures scaled: the aspect of samples follows from the sizes, in lowest terms.
    package func scaled(from: (width: Int, height: Int), to: (width: Int, height: Int)) -> ColourDescription {
        var result = self
        // A source that says nothing has square samples; what is rounded to even sizes keeps them.
        let old = sampleAspect ?? (1, 1)
        let exact = (old.width * from.width * to.height, old.height * from.height * to.width)
        let isAlmostSame = abs(from.width * to.height - from.height * to.width) <= 2 * max(from.width, from.height)
        guard !isAlmostSame, exact.0 > 0, exact.1 > 0 else { return result }
        var (a, b) = exact
        while b != 0 { (a, b) = (b, a % b) }
        var (width, height) = (exact.0 / a, exact.1 / a)
        while width > 65535 || height > 65535 { (width, height) = (max(width / 2, 1), max(height / 2, 1)) }
        result.sampleAspect = (width, height)
        return result
    }
}
