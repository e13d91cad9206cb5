/* An open loop that changes its rate step by step, with callers that behave as gRPC's do far above capacity.
 *
 * Each call has an intended time and a deadline that counts from there: what is left of it is sent along, and when it
 * is over the call is given up (RST_STREAM), or is never sent when no stream got free for it. A connection that the
 * server ends is opened again. Where the server allows no more streams, calls wait in the order of their times, as in
 * gRPC's libraries; with --limited the caller turns them away at once, as one does that bounds its calls. Answers are
 * compared with what is expected. Prints "step N" when one begins, then one line of JSON (fates.h). One thread; stops
 * by itself.
 */
#define _GNU_SOURCE
#include "client.h"
#include "fates.h"
#include "messages.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define MOST_CONNECTIONS 1024
#define LEAST_NS 2000000u /* time left below which a call is not sent any more */
#define ROUND_NS 200000u /* a round of sending and reading: what is due in it goes out together */
#define SETTLE_NS 300000000u
#define SENT_ROOM (1u << 20)

/* Calls in the order in which they were sent, so of their deadlines. */
struct sent {
    struct slot *slot;
    uint64_t due;
};

static struct client client;
static struct messages expected;
static struct connection *connections;
static int count = 16, limited;
static uint64_t lost_connections;
static struct sent *sent;
static uint32_t sent_first, sent_last;

static void on_body(struct slot *slot, const uint8_t *bytes, size_t length)
{
    size_t at = slot->message % expected.count;
    const uint8_t *wanted = expected.bytes + expected.at[at] + 5;
    if (memmem(bytes, length, wanted, expected.at[at + 1] - expected.at[at] - 5))
        slot->judged |= RIGHT;
}

static void on_details(struct slot *slot, const uint8_t *value, size_t length)
{
    uint8_t bytes[1024];
    size_t put = 0;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < length && put < sizeof bytes; i++) {
        int c = value[i];
        int digit = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52
                    : c == '+' ? 62 : c == '/' ? 63 : -1;
        if (digit < 0)
            break;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held >= 8) {
            held -= 8;
            bytes[put++] = (uint8_t)(bits >> held);
        }
    }
    if (memmem(bytes, put, "google.rpc.RetryInfo", 20))
        slot->judged |= EXPLAINED;
}

static void on_answer(struct slot *slot, uint64_t due, int status)
{
    uint64_t took = now_ns() - due;
    struct step *step = step_at(due);
    settle(&step->fate, slot, status, took);
    settle(bin_at(due), slot, status, took);
    if (status == 8)
        histogram_add(&step->refusals, took);
}

static int next_with_room(void)
{
    static int turn;
    for (int tries = 0; tries < count; tries++) {
        turn = (turn + 1) % count;
        if (connection_has_room(&connections[turn]))
            return turn;
    }
    return -1;
}

/* The plan's next call: its step, and which of the step's it is. */
static int plan_at;
static uint64_t plan_index;

static uint64_t due_of(uint64_t index)
{
    return steps[plan_at].from + (uint64_t)((double)index * 1e9 / steps[plan_at].rate);
}

/* Count calls that are not sent, up to a time: many at once, since far above capacity they are most. */
static void pass_over(uint64_t until, int turned_away)
{
    struct step *step = &steps[plan_at];
    if (until > step->to)
        until = step->to;
    while (due_of(plan_index) < until) {
        uint64_t due = due_of(plan_index), bin_ends = started + ((due - started) / BIN_NS + 1) * BIN_NS;
        uint64_t end = until < bin_ends ? until : bin_ends;
        uint64_t past = (uint64_t)((double)(end - step->from) * step->rate / 1e9);
        while (past > plan_index && due_of(past - 1) >= end)
            past--;
        while (due_of(past) < end)
            past++;
        uint64_t calls = past - plan_index;
        struct fate *bin = bin_at(due);
        step->fate.offered += calls, bin->offered += calls;
        if (turned_away)
            step->fate.turned_away += calls, bin->turned_away += calls;
        else
            step->fate.unsent += calls, bin->unsent += calls;
        plan_index = past;
    }
}

/* Send what is due, and count what nobody waits for any more. */
static void send_due(uint64_t now)
{
    while (plan_at < step_count) {
        struct step *step = &steps[plan_at];
        if (now > started + patience)
            pass_over(now - patience + LEAST_NS, 0);
        uint64_t due = due_of(plan_index);
        if (due >= step->to) {
            plan_at++;
            plan_index = 0;
            continue;
        }
        if (due > now)
            return;
        int turn = next_with_room();
        if (turn < 0 && !limited)
            return;
        if (turn < 0) {
            pass_over(now, 1);
            if (due_of(plan_index) < step->to)
                return;
            continue;
        }
        plan_index++;
        step->fate.offered++, bin_at(due)->offered++;
        struct slot *slot = connections[turn].free;
        snprintf(slot->timeout, sizeof slot->timeout, "%um", (unsigned)((due + patience - now) / 1000000));
        connection_call(slot, due);
        sent[sent_last++ % SENT_ROOM] = (struct sent){slot, due};
    }
}

static void give_up(uint64_t now)
{
    for (; sent_first != sent_last; sent_first++) {
        struct sent *each = &sent[sent_first % SENT_ROOM];
        int open = each->slot->id > 0 && each->slot->due == each->due;
        if (open && now < each->due + patience)
            return;
        if (open && !each->slot->connection->broken) {
            each->slot->judged |= GIVEN_UP;
            connection_cancel(each->slot);
        }
    }
}

/* Callers connect again at once, as gRPC's libraries do where a connection stood before. */
static void reconnect(void)
{
    for (int i = 0; i < count; i++)
        if (connection_is_over(&connections[i])) {
            lost_connections++;
            if (connection_reopen(&connections[i]) < 0)
                fail("can't connect again");
        }
}

static uint64_t exchange(void)
{
    static struct pollfd fds[MOST_CONNECTIONS];
    uint64_t open = 0;
    reconnect();
    for (int i = 0; i < count; i++) {
        connection_flush(&connections[i]);
        fds[i].fd = connections[i].fd;
        fds[i].events = POLLIN;
        fds[i].revents = 0;
    }
    poll(fds, (nfds_t)count, 0);
    for (int i = 0; i < count; i++) {
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
            connection_read(&connections[i]);
        open += connections[i].open;
    }
    return open;
}

static void sleep_until(uint64_t when)
{
    struct timespec time = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void read_plan(char *plan)
{
    for (char *each = strtok(plan, ","); each; each = strtok(NULL, ",")) {
        double rate, seconds;
        if (step_count == MOST_STEPS || sscanf(each, "%lf:%lf", &rate, &seconds) != 2 || rate < 1 || seconds < 0.1)
            fail("--plan is RATE:SECONDS,RATE:SECONDS…");
        steps[step_count].rate = rate;
        steps[step_count++].to = (uint64_t)(seconds * 1e9);
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, 0, 'p'}, {"path", 1, 0, 'u'}, {"requests", 1, 0, 'f'}, {"expected", 1, 0, 'e'},
        {"connections", 1, 0, 'c'}, {"streams", 1, 0, 'm'}, {"plan", 1, 0, 'l'}, {"timeout-ms", 1, 0, 't'},
        {"limited", 0, 0, 'x'}, {0, 0, 0, 0}};
    int port = 0, streams = 1000, option;
    const char *requests = NULL, *answers = NULL;
    patience = 1000000000u;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': client.path = optarg; break;
        case 'f': requests = optarg; break;
        case 'e': answers = optarg; break;
        case 'c': count = atoi(optarg); break;
        case 'm': streams = atoi(optarg); break;
        case 'l': read_plan(optarg); break;
        case 't': patience = (uint64_t)atoi(optarg) * 1000000u; break;
        case 'x': limited = 1; break;
        default: return 2;
        }
    if (!port || !client.path || !requests || !answers || !step_count || count < 1 || count > MOST_CONNECTIONS || streams < 1)
        fail("--port, --path, --requests, --expected, --plan; see benchmarks/flood.py");
    prctl(PR_SET_TIMERSLACK, 1000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    client.messages = read_messages(requests);
    expected = read_messages(answers);
    snprintf(client.authority, sizeof client.authority, "127.0.0.1:%d", port);
    client.on_answer = on_answer;
    client.on_body = on_body;
    client.on_details = on_details;
    sent = calloc(SENT_ROOM, sizeof *sent);
    connections = calloc((size_t)count, sizeof *connections);
    struct slot *slots = calloc((size_t)count * (size_t)streams, sizeof *slots);
    for (int i = 0; i < count; i++)
        if (connection_open(&connections[i], &client, port, slots + i * streams, (unsigned)streams) < 0)
            fail("can't connect");
    uint64_t now = now_ns();
    for (uint64_t settled = now + SETTLE_NS; now < settled; sleep_until(now + ROUND_NS), now = now_ns())
        exchange(); /* the server's limits arrive */
    started = now;
    for (int i = 0; i < step_count; i++) {
        steps[i].from = i ? steps[i - 1].to : started;
        steps[i].to += steps[i].from;
    }
    bin_count = (steps[step_count - 1].to - started) / BIN_NS + 1;
    bins = calloc(bin_count, sizeof *bins);
    if (!bins || !sent || !connections || !slots)
        fail("not enough memory");
    int at = -1;
    double cpu = 0;
    for (uint64_t open = 1, last = now; (now = now_ns()) < steps[step_count - 1].to || open; last = now) {
        if (at < step_count && now >= (at < 0 ? started : steps[at].to)) {
            double used = cpu_seconds();
            if (at >= 0)
                steps[at].cpu = used - cpu;
            cpu = used;
            if (++at < step_count)
                printf("step %d\n", at);
            else
                puts("end");
        }
        if (at >= 0 && at < step_count)
            histogram_add(&steps[at].rounds, now - last);
        give_up(now);
        send_due(now);
        open = exchange();
        sleep_until(now + ROUND_NS);
        if (now > steps[step_count - 1].to + patience + 1000000000u)
            break;
    }
    print_fates(lost_connections);
    return 0;
}
