/* Latencies in nanoseconds, in buckets at most 1.6 % wide (64 to each power of two, as HDR histograms are). */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define SUB_BITS 6
#define SUB (1 << SUB_BITS)
#define POWERS 42 /* up to 73 minutes */

struct histogram {
    uint64_t counts[POWERS * SUB];
    uint64_t total, highest;
    double sum;
};

static inline void histogram_add(struct histogram *h, uint64_t value)
{
    int power = value < SUB ? 0 : 63 - __builtin_clzll(value) - SUB_BITS + 1;
    if (power >= POWERS)
        power = POWERS - 1;
    uint64_t sub = power == 0 ? value : (value >> (power - 1)) - SUB;
    if (sub >= SUB)
        sub = SUB - 1;
    h->counts[power * SUB + sub]++;
    h->total++;
    h->sum += (double)value;
    if (value > h->highest)
        h->highest = value;
}

/* The value that a share of all does not exceed: its bucket's upper end, so never too good. */
static inline uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->total + 0.999999), seen = 0;
    for (int i = 0; i < POWERS * SUB; i++) {
        seen += h->counts[i];
        if (seen >= wanted && seen > 0) {
            uint64_t power = i / SUB, sub = i % SUB;
            uint64_t upper = power == 0 ? sub : ((sub + SUB + 1) << (power - 1)) - 1;
            return upper < h->highest ? upper : h->highest;
        }
    }
    return h->highest;
}

#endif
