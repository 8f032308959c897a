// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the lines added to libx265's entropy.cpp call. Included there after libx265's own headers. All state is of one
// thread, between the beginning and the end of one CTU that goes to a bitstream: rate estimates never see a hook.
#ifndef VEIL_BINS_H
#define VEIL_BINS_H
#include "include/veil_x265_hook.h"

/// The hooks of the encoder with these parameters, or NULL.
const veil_x265_hooks *veil_x265_find_hooks(const void *param);

#ifdef VEIL_BIN_SITES
#if X265_DEPTH == 8
extern "C" int veil_x265_bin_sites(void) { return VEIL_BIN_SITES; }
#elif X265_DEPTH == 10
extern "C" int veil_x265_bin_sites10(void) { return VEIL_BIN_SITES; }
#else
extern "C" int veil_x265_bin_sites12(void) { return VEIL_BIN_SITES; }
#endif
#endif

namespace veil {
namespace {

struct State {
    /// NULL when no CTU with a hook is being written.
    void *bins;
    uint32_t (*replace)(void *, const veil_bin_run *);
    /// The run that the next bypass bins end with; its count is 0 when there is none.
    veil_bin_run next;
    uint8_t baseLevel;
    uint8_t last;
    /// The picture whose entropy coder was reset last in this thread, and the CTU of it that is written next: SAO
    /// parameters come before their CTU and do not name it. Where they are written, one thread writes all CTUs of a
    /// picture in order.
    const X265_NS::Slice *slice;
    int address;
    /// That CTU was announced already.
    bool isOpen;
};

thread_local State state;

/// Bits that a hook has no business with do not count.
inline uint32_t replaced(const veil_bin_run &run) {
    return state.replace(state.bins, &run) & (uint32_t)(((uint64_t)1 << run.count) - 1);
}

/// Hands over a CTU's motion on the grid of 16x16 blocks.
inline void handMotion(const veil_x265_hooks *hooks, const X265_NS::CUData &ctu, const veil_x265_ctu &at) {
    veil_x265_motion motion[16];
    const int side = (int)ctu.m_slice->m_param->maxCUSize / 16;
    for (int block = 0; block < side * side; block++) {
        // Partitions of 4x4 samples lie in z-order, 16 of them in a block.
        const int x = (block & 1) | (block >> 1 & 2), y = (block >> 1 & 1) | (block >> 2 & 2);
        const uint32_t part = (uint32_t)block * 16;
        veil_x265_motion &to = motion[y * side + x];
        for (int list = 0; list < 2; list++) {
            const bool used = ctu.isInter(part) && ctu.m_refIdx[list][part] >= 0;
            to.ref_idx[list] = used ? ctu.m_refIdx[list][part] : -1;
            to.mv[list][0] = used ? (int16_t)ctu.m_mv[list][part].x : 0;
            to.mv[list][1] = used ? (int16_t)ctu.m_mv[list][part].y : 0;
        }
    }
    hooks->motion(hooks->user, &at, side, motion);
}

/// Announces a CTU that is about to be written.
inline void open(const veil_x265_hooks *hooks, const veil_x265_ctu &at) {
    state.replace = hooks->replace;
    state.next.count = 0;
    state.bins = hooks->begin_ctu(hooks->user, &at);
}

/// `firstRowInSlice`: the CTU lies in the first row of its slice.
inline veil_x265_ctu place(const X265_NS::Slice &slice, int address, bool firstRowInSlice) {
    const int columns = (int)slice.m_sps->numCuInWidth;
    const int size = (int)slice.m_param->maxCUSize;
    const bool wavefront = slice.m_param->bEnableWavefront != 0;
    veil_x265_ctu at;
    at.poc = slice.m_poc;
    at.nal_unit_type = (int)slice.m_nalUnitType;
    at.address = address;
    at.x = address % columns * size;
    at.y = address / columns * size;
    at.lane = wavefront ? address / columns : 0;
    at.begins = address % columns == 0 && (wavefront || firstRowInSlice);
    return at;
}

/// SAO parameters are about to be written, if `written`: those of the next CTU.
inline void openSao(bool written) {
    if (!written || state.isOpen || !state.slice) return;
    const veil_x265_hooks *hooks = veil_x265_find_hooks(state.slice->m_param);
    if (!hooks) return;
    open(hooks, place(*state.slice, state.address, state.address == 0));
    state.isOpen = true;
}

/// Marks the time in which a CTU is written.
struct CodedCTU {
    const bool written;
    explicit CodedCTU(const X265_NS::CUData *ctu) : written(ctu != 0) {
        if (!ctu) return;
        const X265_NS::Slice *slice = ctu->m_slice;
        const veil_x265_hooks *hooks = veil_x265_find_hooks(slice->m_param);
        if (!hooks) return;
        const veil_x265_ctu at = place(*slice, (int)ctu->m_cuAddr, ctu->m_bFirstRowInSlice != 0);
        if (hooks->motion && !slice->isIntra()) handMotion(hooks, *ctu, at);
        if (!state.isOpen || state.slice != slice || state.address != at.address) open(hooks, at);
        state.slice = slice;
        state.address = at.address + 1;
    }
    ~CodedCTU() {
        if (!written) return;
        state.bins = 0;
        state.isOpen = false;
    }
};

inline void beginPicture(const X265_NS::Slice &slice) {
    const veil_x265_hooks *hooks = veil_x265_find_hooks(slice.m_param);
    state.slice = &slice;
    state.address = 0;
    if (hooks) hooks->begin_picture(hooks->user, slice.m_poc, (int)slice.m_nalUnitType);
}

inline void expect(uint8_t element, uint32_t count, uint32_t value, uint32_t prefix) {
    veil_bin_run &run = state.next;
    run.element = element;
    run.count = (uint8_t)count;
    run.rice_param = 0;
    run.base_level = 0;
    run.prefix = (uint8_t)prefix;
    run.last_in_sub_block = 0;
    run.value = (int32_t)value;
    run.frozen = 0;
}

/// The EG1 code of |mvd| - 2 follows, if |mvd| is above 1: as many suffix bins as |mvd| has bits below its highest.
inline void expectMvdSuffix(uint32_t magnitude) {
    if (!state.bins || magnitude < 2) return;
    const uint32_t count = 31 - (uint32_t)__builtin_clz(magnitude);
    expect(VEIL_BIN_MVD_SUFFIX, count, magnitude, count - 1);
}

inline void expectMvdSign(uint32_t magnitude) {
    if (state.bins) expect(VEIL_BIN_MVD_SIGN, 1, magnitude, 0);
}

/// The next bypass bins end with `count` bins of an element.
inline void expectRun(uint8_t element, uint32_t count, uint32_t value) {
    if (state.bins) expect(element, count, value, 0);
}

/// The EG0 code of cu_qp_delta_abs - 5 follows, if it is coded: as many suffix bins as ones before them.
inline void expectDqpSuffix(uint32_t magnitude, int qpBdOffset) {
    if (!state.bins || magnitude < 6) return;
    expect(VEIL_BIN_DQP_SUFFIX, 31 - (uint32_t)__builtin_clz(magnitude - 4), magnitude, 0);
    state.next.base_level = (uint8_t)(25 + qpBdOffset / 2);
}

/// The last bin of a truncated unary code, of which all before are ones, ends the next bypass bins. `shown`: how many
/// bins there are.
inline void expectLast(uint8_t element, uint32_t value, uint32_t cMax, uint32_t shown) {
    if (state.bins && shown > 0 && value + 1 >= cMax) expect(element, 1, cMax, 0);
}

/// The sign of an SAO offset that is not 0 follows. Always true.
inline bool expectSaoSign(int offset) {
    if (state.bins && offset != 0) expect(VEIL_BIN_SAO_OFFSET_SIGN, 1, (uint32_t)(offset < 0 ? -offset : offset), 0);
    return true;
}

inline uint32_t dqpSign(uint32_t sign, uint32_t magnitude, int qpBdOffset) {
    if (!state.bins) return sign;
    veil_bin_run run = {VEIL_BIN_DQP_SIGN, 1, 0, 0, 0, 0, (int32_t)magnitude, sign, 0};
    // The mirror of the lowest value is out of range.
    if ((int)magnitude >= 26 + qpBdOffset / 2) run.frozen = 1;
    return replaced(run);
}

/// The signs of a sub-block, the first one coded highest; `magnitudes` in coding order.
inline uint32_t coeffSigns(uint32_t signs, uint32_t count, const uint16_t *magnitudes) {
    if (!state.bins || count == 0) return signs;
    veil_bin_run run = {VEIL_BIN_COEFF_SIGN, (uint8_t)count, 0, 0, 0, 0, 0, signs, 0};
    for (uint32_t i = 0; i < count; i++)
        if (magnitudes[i] > 32767) run.frozen |= 1u << (count - 1 - i);
    return replaced(run);
}

/// A coeff_abs_level_remaining follows, of the coefficient at `index` of the sub-block's `count`.
inline void beginLevel(const uint16_t *magnitudes, uint32_t index, uint32_t count, int baseLevel) {
    if (!state.bins) return;
    state.baseLevel = (uint8_t)baseLevel;
    state.last = 1;
    for (uint32_t i = index + 1; i < count; i++) {
        // After the first level with remainder, those of the first eight have one from 2 on, the others always.
        if (magnitudes[i] >= (i < 8 ? 2 : 1)) {
            state.last = 0;
            break;
        }
    }
}

inline veil_bin_run levelRun(uint32_t bins, uint32_t count, uint32_t prefix, uint32_t rice) {
    const veil_bin_run run = {
        VEIL_BIN_COEFF_SUFFIX, (uint8_t)count, (uint8_t)rice, state.baseLevel, (uint8_t)prefix, state.last, 0, bins, 0};
    return run;
}

/// Prefix and suffix of a truncated Rice code follow at once.
inline void expectLevelSuffix(uint32_t prefix, uint32_t rice) {
    if (state.bins && rice) state.next = levelRun(0, rice, prefix, rice);
}

/// The suffix of a code whose prefix has `length` ones beyond three.
inline uint32_t levelSuffix(uint32_t bins, uint32_t length, uint32_t rice) {
    if (!state.bins || length + rice == 0) return bins;
    return replaced(levelRun(bins, length + rice, 3 + length, rice));
}

/// Bypass bins are about to be written: the last of them are those of the run expected, if there is one.
inline uint32_t expected(uint32_t bins, int) {
    const uint32_t count = state.next.count;
    if (count == 0 || !state.bins) return bins;
    const uint32_t low = (uint32_t)(((uint64_t)1 << count) - 1);
    state.next.bins = bins & low;
    const uint32_t changed = replaced(state.next);
    state.next.count = 0;
    return (bins & ~low) | (changed & low);
}

}  // namespace
}  // namespace veil
#endif
