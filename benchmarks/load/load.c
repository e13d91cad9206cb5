/* A load generator for gRPC: closed loop for capacity, open loop for latency.
 *
 * Every call carries a deadline and a message of its own from a file. In the open loop a call has an intended
 * time, and its latency counts from there, however late it could be sent. Prints "begin" and "end" around the
 * measured part, then one line of JSON. One thread; stops by itself. benchmarks/README.md says why it exists.
 */
#define _GNU_SOURCE
#include "client.h"
#include "histogram.h"
#include "messages.h"
#include "tls.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST_CONNECTIONS 256
#define DRAIN_NS 2000000000u

static struct client client;
static struct histogram latencies;
static uint64_t measured, begin, end;
static double rate;
static uint64_t statuses[STATUSES], failed;

static void on_answer(struct slot *slot, uint64_t due, int status)
{
    uint64_t now = now_ns();
    /* The closed loop counts what is answered in the window; the open loop what was meant to be sent in it. */
    uint64_t when = rate > 0 ? due : now;
    if (begin && when >= begin && when < end) {
        measured++;
        histogram_add(&latencies, now - due);
        if (status >= 0)
            statuses[status]++;
        else
            failed++;
    }
    if (client.ending || rate > 0)
        return;
    if (client.window)
        connection_message(slot, now);
    else if (status >= 0)
        connection_call(slot, now);
}

/* Send what is due; returns how many of the plan are sent by now. */
static uint64_t send_due(struct connection *connections, int count, uint64_t started, uint64_t sent, uint64_t now)
{
    static int turn;
    while (started + (uint64_t)((double)sent * 1e9 / rate) <= now) {
        int tries = 0;
        while (tries < count && (connections[turn].broken || !connections[turn].free)) {
            turn = (turn + 1) % count;
            tries++;
        }
        if (tries == count)
            break;
        connection_call(connections[turn].free, started + (uint64_t)((double)sent * 1e9 / rate));
        turn = (turn + 1) % count;
        sent++;
    }
    return sent;
}

static uint64_t exchange(struct connection *connections, int count, uint64_t until)
{
    struct pollfd fds[MOST_CONNECTIONS];
    uint64_t open = 0;
    for (int i = 0; i < count; i++) {
        connection_flush(&connections[i]);
        fds[i].fd = connections[i].broken ? -1 : connections[i].fd;
        fds[i].events = (short)(POLLIN | (connections[i].out_sent < connections[i].out_length ? POLLOUT : 0));
        fds[i].revents = 0;
    }
    uint64_t now = now_ns(), wait = until > now ? until - now : 0;
    struct timespec time = {(time_t)(wait / 1000000000u), (long)(wait % 1000000000u)};
    ppoll(fds, (nfds_t)count, &time, NULL);
    for (int i = 0; i < count; i++) {
        if (fds[i].revents & (POLLIN | POLLHUP | POLLERR))
            connection_read(&connections[i]);
        if (!connections[i].broken)
            open += connections[i].open;
    }
    return open;
}

static double cpu_seconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void print(double seconds, double cpu, uint64_t unsent, uint64_t unanswered)
{
    static const double shares[] = {0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999};
    printf("{\"calls\": %lu, \"seconds\": %.6f, \"cpu\": %.4f, \"failed\": %lu, \"resets\": %lu, \"unsent\": %lu, "
           "\"unanswered\": %lu, \"bytes\": %lu, \"mean_us\": %.1f, \"max_us\": %.1f, \"statuses\": {",
           measured, seconds, cpu, failed, client.totals.resets, unsent, unanswered, client.totals.bytes,
           latencies.total ? latencies.sum / (double)latencies.total / 1e3 : 0, (double)latencies.highest / 1e3);
    const char *comma = "";
    for (int i = 0; i < STATUSES; i++)
        if (statuses[i]) {
            printf("%s\"%d\": %lu", comma, i, statuses[i]);
            comma = ", ";
        }
    printf("}, \"percentiles_us\": {");
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        printf("%s\"%g\": %.1f", i ? ", " : "", shares[i] * 100, (double)histogram_at(&latencies, shares[i]) / 1e3);
    printf("}}\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, 0, 'p'}, {"path", 1, 0, 'u'}, {"requests", 1, 0, 'f'}, {"connections", 1, 0, 'c'},
        {"streams", 1, 0, 'm'}, {"seconds", 1, 0, 's'}, {"warm", 1, 0, 'w'}, {"rate", 1, 0, 'r'},
        {"timeout-ms", 1, 0, 't'}, {"window", 1, 0, 'k'}, {"authority-file", 1, 0, 'a'}, {"authorization", 1, 0, 'b'},
        {"traceparent", 1, 0, 'x'},
        {0, 0, 0, 0}};
    int port = 0, count = 1, streams = 16, timeout = 1000, option;
    double seconds = 3, warm = 1;
    const char *requests = NULL;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': client.path = optarg; break;
        case 'f': requests = optarg; break;
        case 'c': count = atoi(optarg); break;
        case 'm': streams = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        case 't': timeout = atoi(optarg); break;
        case 'k': client.window = (unsigned)atoi(optarg); break;
        case 'b': client.authorization = optarg; break;
        case 'x': client.traceparent = optarg; break;
        case 'a':
            if (!(client.tls = tls_open(optarg)))
                fail("--authority-file names no certificate that can be read");
            break;
        default: return 2;
        }
    if (!port || !client.path || !requests || count < 1 || count > MOST_CONNECTIONS || streams < 1 ||
        client.window >= MOST_IN_WINDOW || (rate > 0 && client.window) || seconds > 600 || warm > 60)
        fail("--port, --path, --requests; see benchmarks/generator.py");
    prctl(PR_SET_TIMERSLACK, 1000);
    setvbuf(stdout, NULL, _IOLBF, 0);
    client.messages = read_messages(requests);
    snprintf(client.authority, sizeof client.authority, "127.0.0.1:%d", port);
    snprintf(client.timeout, sizeof client.timeout, "%dm", timeout);
    client.on_answer = on_answer;

    struct connection *connections = calloc((size_t)count, sizeof *connections);
    struct slot *slots = calloc((size_t)count * (size_t)streams, sizeof *slots);
    for (int i = 0; i < count; i++)
        if (connection_open(&connections[i], &client, port, slots + i * streams, (unsigned)streams) < 0)
            fail("can't connect");
    uint64_t started = now_ns(), now = started, sent = 0, open = 1;
    for (int i = 0; i < count && rate <= 0; i++)
        while (connections[i].free && !connections[i].broken) {
            struct slot *slot = connections[i].free;
            connection_call(slot, now);
            for (unsigned k = 1; k < client.window; k++)
                connection_message(slot, now);
        }
    uint64_t from = started + (uint64_t)(warm * 1e9), to = from + (uint64_t)(seconds * 1e9);
    double cpu = 0;
    while ((now = now_ns()) < to && open) {
        if (!begin && now >= from) {
            puts("begin");
            cpu = cpu_seconds();
            begin = now;
            to = end = begin + (uint64_t)(seconds * 1e9);
        }
        uint64_t until = begin ? to : from;
        if (rate > 0) {
            sent = send_due(connections, count, started, sent, now);
            uint64_t next = started + (uint64_t)((double)sent * 1e9 / rate);
            /* With no stream free, an answer wakes us. */
            if (next > now && next < until)
                until = next;
        }
        open = exchange(connections, count, until) || rate > 0;
    }
    cpu = cpu_seconds() - cpu;
    puts("end");
    uint64_t unsent = 0, stopped = now_ns();
    if (rate > 0 && begin)
        sent = send_due(connections, count, started, sent, end - 1);
    for (; rate > 0 && started + (uint64_t)((double)sent * 1e9 / rate) < end; sent++, unsent++)
        histogram_add(&latencies, stopped - (started + (uint64_t)((double)sent * 1e9 / rate)));
    client.ending = 1;
    for (int i = 0; i < count * streams && client.window; i++)
        connection_end(&slots[i]);
    while (open && now_ns() < stopped + DRAIN_NS)
        open = exchange(connections, count, stopped + DRAIN_NS);
    print(begin ? (double)(end - begin) / 1e9 : 0, cpu, unsent, begin ? open : 0);
    return 0;
}
