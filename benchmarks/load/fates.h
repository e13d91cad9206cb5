/* What became of calls: counted for each step of a plan, and for each tenth of a second. */
#ifndef FATES_H
#define FATES_H

#include "client.h"
#include "histogram.h"

#define MOST_STEPS 64
#define BIN_NS 100000000u

/* What a slot's `judged` holds. */
enum { RIGHT = 1, EXPLAINED = 2, GIVEN_UP = 4 };

struct fate {
    uint64_t offered, right, late, wrong, refused, explained, expired, unsent, turned_away, others, reset;
    uint64_t statuses[STATUSES];
    struct histogram latencies;
};

struct step {
    double rate;
    uint64_t from, to;
    struct fate fate;
    struct histogram refusals, rounds; /* a round: the time from one look at the clock to the next */
    double cpu;
};

extern struct step steps[MOST_STEPS];
extern int step_count;
extern struct fate *bins;
extern size_t bin_count;
extern uint64_t started, patience; /* patience: a call's deadline counts from its intended time */

struct step *step_at(uint64_t due);
struct fate *bin_at(uint64_t due);
void settle(struct fate *fate, struct slot *slot, int status, uint64_t took);
/* One line of JSON: what became of the calls meant for each step, and for each bin. */
void print_fates(uint64_t lost_connections);

#endif
