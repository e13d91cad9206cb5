/* gRPC calls over HTTP/2 connections, as many at a time as there are slots. */
#ifndef CLIENT_H
#define CLIENT_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_IN_WINDOW 256
#define STATUSES 17
#define OUT_ROOM (1 << 17)

/* gRPC messages (five bytes of prefix and the body), played in order, again and again. */
struct messages {
    const uint8_t *bytes;
    size_t *at;
    size_t count;
};

struct totals {
    uint64_t answered, statuses[STATUSES], resets, bytes;
};

struct connection;

/* A stream that carries one call after another, or (with a window) one call of many messages. */
struct slot {
    struct connection *connection;
    int32_t id; /* 0: free */
    int status;
    const uint8_t *body;
    size_t length, sent;
    uint64_t due; /* when the call was meant to be sent */
    struct slot *next_free;
    /* a stream of messages */
    unsigned to_send, in_flight;
    uint64_t dues[MOST_IN_WINDOW];
    unsigned first, last;
    uint8_t prefix[5];
    unsigned prefix_seen;
    uint64_t skip;
};

struct client {
    const char *path;
    char authority[32], timeout[16];
    struct messages messages;
    unsigned window; /* 0: unary calls */
    int ending;
    struct totals totals;
    /* Called for every answer: the slot is free again (unary) or has room for another message. */
    void (*on_answer)(struct slot *slot, uint64_t due, int status);
};

struct connection {
    struct client *client;
    nghttp2_session *session;
    int fd, broken;
    size_t cursor, open;
    struct slot *free;
    size_t out_length, out_sent;
    uint8_t out[OUT_ROOM];
};

uint64_t now_ns(void);
int connection_open(struct connection *connection, struct client *client, int port, struct slot *slots, unsigned count);
void connection_call(struct slot *slot, uint64_t due);
void connection_message(struct slot *slot, uint64_t due);
void connection_end(struct slot *slot);
void connection_read(struct connection *connection);
void connection_flush(struct connection *connection);

#endif
