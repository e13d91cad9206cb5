/* gRPC calls over HTTP/2 connections, as many at a time as there are slots. */
#ifndef CLIENT_H
#define CLIENT_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
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
    size_t message, length, sent;
    uint64_t due; /* when the call was meant to be sent */
    struct slot *next_free;
    char timeout[16]; /* as it is sent: kept until it is */
    int judged; /* for on_body's and on_details' own use; 0 when the call begins */
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
    SSL_CTX *tls;              /* NULL: without */
    const char *authorization, *traceparent; /* headers of every call; NULL for none */
    char authority[32], timeout[16]; /* timeout: for calls whose slot has none of its own */
    struct messages messages;
    size_t next; /* of them; for all connections, so that no two ask for the same thing at a time and share its reading */
    unsigned window; /* 0: unary calls */
    int ending;
    struct totals totals;
    /* Called for every answer: the slot is free again (unary) or has room for another message. */
    void (*on_answer)(struct slot *slot, uint64_t due, int status);
    /* Where set: told of an answer's bytes (unary), and of grpc-status-details-bin. */
    void (*on_body)(struct slot *slot, const uint8_t *bytes, size_t length);
    void (*on_details)(struct slot *slot, const uint8_t *value, size_t length);
};

struct connection {
    struct client *client;
    nghttp2_session *session;
    SSL *tls;
    int fd, port, broken;
    struct slot *slots;
    unsigned slot_count;
    size_t open;
    struct slot *free;
    size_t out_length, out_sent;
    uint8_t out[OUT_ROOM];
};

uint64_t now_ns(void);
int connection_open(struct connection *connection, struct client *client, int port, struct slot *slots, unsigned count);
int connection_is_over(const struct connection *connection);
int connection_reopen(struct connection *connection);
void connection_call(struct slot *slot, uint64_t due);
void connection_message(struct slot *slot, uint64_t due);
void connection_end(struct slot *slot);
void connection_cancel(struct slot *slot);
int connection_has_room(const struct connection *connection);
void connection_read(struct connection *connection);
void connection_flush(struct connection *connection);

#endif
