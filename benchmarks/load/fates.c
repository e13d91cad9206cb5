#include "fates.h"

#include <stdio.h>

struct step steps[MOST_STEPS];
int step_count;
struct fate *bins;
size_t bin_count;
uint64_t started, patience;

struct step *step_at(uint64_t due)
{
    static int last;
    if (due < steps[last].from)
        last = 0;
    while (last + 1 < step_count && due >= steps[last].to)
        last++;
    return &steps[last];
}

struct fate *bin_at(uint64_t due)
{
    size_t at = (due - started) / BIN_NS;
    return &bins[at < bin_count ? at : bin_count - 1];
}

void settle(struct fate *fate, struct slot *slot, int status, uint64_t took)
{
    int in_time = took <= patience;
    if (slot->judged & GIVEN_UP) {
        fate->expired++;
        return;
    }
    if (status < 0) {
        fate->reset++;
        return;
    }
    fate->statuses[status]++;
    if (status == 0 && !(slot->judged & RIGHT)) {
        fate->wrong++;
    } else if (status == 0 && in_time) {
        fate->right++;
        histogram_add(&fate->latencies, took);
    } else if (status == 0) {
        fate->late++;
    } else if (status == 8) {
        fate->refused++;
        fate->explained += (slot->judged & EXPLAINED) != 0;
    } else if (status == 4) {
        fate->expired++;
    } else {
        fate->others++;
    }
}

static void print_fate(const struct fate *fate)
{
    printf("\"offered\": %lu, \"right\": %lu, \"late\": %lu, \"wrong\": %lu, \"refused\": %lu, \"explained\": %lu, "
           "\"expired\": %lu, \"unsent\": %lu, \"turned_away\": %lu, \"others\": %lu, \"reset\": %lu, \"p50\": %.1f, "
           "\"p99\": %.1f, \"worst\": %.1f",
           fate->offered, fate->right, fate->late, fate->wrong, fate->refused, fate->explained, fate->expired,
           fate->unsent, fate->turned_away, fate->others, fate->reset,
           (double)histogram_at(&fate->latencies, 0.5) / 1e3, (double)histogram_at(&fate->latencies, 0.99) / 1e3,
           (double)fate->latencies.highest / 1e3);
}

void print_fates(uint64_t lost_connections)
{
    printf("{\"steps\": [");
    for (int i = 0; i < step_count; i++) {
        struct step *step = &steps[i];
        printf("%s{\"rate\": %.1f, \"seconds\": %.3f, \"cpu\": %.3f, ", i ? ", " : "", step->rate,
               (double)(step->to - step->from) / 1e9, step->cpu);
        print_fate(&step->fate);
        printf(", \"refusal_p50\": %.1f, \"refusal_p99\": %.1f, \"round_p99\": %.1f, \"round_worst\": %.1f, \"statuses\": {",
               (double)histogram_at(&step->refusals, 0.5) / 1e3, (double)histogram_at(&step->refusals, 0.99) / 1e3,
               (double)histogram_at(&step->rounds, 0.99) / 1e3, (double)step->rounds.highest / 1e3);
        const char *comma = "";
        for (int code = 0; code < STATUSES; code++)
            if (step->fate.statuses[code]) {
                printf("%s\"%d\": %lu", comma, code, step->fate.statuses[code]);
                comma = ", ";
            }
        printf("}}");
    }
    printf("], \"bins\": [");
    for (size_t i = 0; i < bin_count; i++) {
        printf("%s{", i ? ", " : "");
        print_fate(&bins[i]);
        printf("}");
    }
    printf("], \"lost_connections\": %lu}\n", lost_connections);
}
