// SPDX-License-Identifier: GPL-2.0-or-later
// Keys, ciphers, profiles, elements and messages; hooks and the runs of bins they see.
@_exported import VeilEntropy
@_exported import VeilProtection

// Errors that the library's functions throw.
@_exported import enum VeilBitstream.CutError
@_exported import enum VeilBitstream.StreamError
@_exported import enum VeilBitstream.SyntaxError
@_exported import enum VeilEncoder.BaseLayerError
@_exported import enum VeilEncoder.EncoderError
@_exported import enum VeilMedia.MediaError
