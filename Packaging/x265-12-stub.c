// SPDX-License-Identifier: GPL-2.0-or-later
//
// Debian's static libx265 holds three encoders, of 8, 10 and 12 bits. The first asks for the others by these functions,
// and takes null for "not there". What is linked statically goes without 5 MB of the third: packages code 8 and 10
// bits (VEIL_PACKAGE=1, Package.swift).
#if !defined(X265_12BIT_GET) || !defined(X265_12BIT_QUERY)
#error "the names of x265_12bit::x265_api_get_N(int) and x265_12bit::x265_api_query(int, int, int *) in libx265.a"
#endif

const void *X265_12BIT_GET(int bit_depth);
const void *X265_12BIT_QUERY(int bit_depth, int version, int *error);

const void *X265_12BIT_GET(int bit_depth) {
    (void)bit_depth;
    return 0;
}

const void *X265_12BIT_QUERY(int bit_depth, int version, int *error) {
    (void)bit_depth;
    (void)version;
    if (error) *error = 1;  // X265_API_QUERY_ERR_LIB_NOT_FOUND
    return 0;
}
