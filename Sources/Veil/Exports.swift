// Keys, ciphers, profiles, elements and messages; hooks and the runs of bins they see.
@_exported import VeilEntropy
@_exported import VeilProtection

// SPDX-License-Identifier: GPL-2.0-or-later
// What an encoder's settings and its errors are made of.
@_exported import struct VeilEncoder.AdaptiveQuantization
@_exported import enum VeilEncoder.EncoderError
