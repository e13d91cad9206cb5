#include "client.h"
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW_BYTES (8 << 20)

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void break_off(struct connection *connection)
{
    if (!connection->broken)
        connection->client->totals.resets += connection->open;
    connection->broken = 1;
}

static void take_message(struct slot *slot)
{
    struct client *client = slot->connection->client;
    const struct messages *messages = &client->messages;
    size_t index = client->next++ % messages->count;
    slot->message = index;
    slot->body = messages->bytes + messages->at[index];
    slot->length = messages->at[index + 1] - messages->at[index];
    slot->sent = 0;
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    struct slot *slot = source->ptr;
    struct client *client = slot->connection->client;
    size_t put = 0;
    (void)session, (void)id, (void)user;
    for (;;) {
        size_t part = slot->length - slot->sent;
        if (part > room - put)
            part = room - put;
        memcpy(to + put, slot->body + slot->sent, part);
        slot->sent += part;
        put += part;
        if (slot->sent < slot->length || slot->to_send == 0)
            break;
        slot->to_send--;
        take_message(slot);
    }
    if (slot->sent == slot->length && (!client->window || client->ending))
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (put == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)put;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user)
{
    struct client *client = ((struct connection *)user)->client;
    (void)flags;
    if (name_length == 11 && memcmp(name, "grpc-status", 11) == 0) {
        struct slot *slot = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        int status = 0;
        for (size_t i = 0; i < value_length; i++)
            status = status * 10 + (value[i] - '0');
        if (slot)
            slot->status = status < STATUSES ? status : 2;
    } else if (client->on_details && name_length == 23 && memcmp(name, "grpc-status-details-bin", 23) == 0) {
        struct slot *slot = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        if (slot)
            client->on_details(slot, value, value_length);
    }
    return 0;
}

static void message_answered(struct slot *slot)
{
    uint64_t due = slot->dues[slot->first++ % MOST_IN_WINDOW];
    slot->in_flight--;
    slot->connection->client->totals.answered++;
    slot->connection->client->on_answer(slot, due, 0);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t length, void *user)
{
    struct connection *connection = user;
    (void)flags;
    connection->client->totals.bytes += length;
    if (!connection->client->window && !connection->client->on_body)
        return 0;
    struct slot *slot = nghttp2_session_get_stream_user_data(session, id);
    if (!connection->client->window) {
        if (slot)
            connection->client->on_body(slot, data, length);
        return 0;
    }
    while (slot && length) {
        if (slot->prefix_seen < 5) {
            slot->prefix[slot->prefix_seen++] = *data++;
            length--;
            if (slot->prefix_seen == 5)
                slot->skip = (uint64_t)slot->prefix[1] << 24 | slot->prefix[2] << 16 | slot->prefix[3] << 8 | slot->prefix[4];
        } else {
            size_t part = length < slot->skip ? length : (size_t)slot->skip;
            slot->skip -= part;
            data += part;
            length -= part;
        }
        if (slot->prefix_seen == 5 && slot->skip == 0) {
            slot->prefix_seen = 0;
            if (slot->in_flight)
                message_answered(slot);
        }
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct connection *connection = user;
    struct client *client = connection->client;
    struct slot *slot = nghttp2_session_get_stream_user_data(session, id);
    if (!slot)
        return 0;
    connection->open--;
    slot->id = 0;
    slot->next_free = connection->free;
    connection->free = slot;
    if (error || slot->status < 0) {
        client->totals.resets++;
        slot->status = -1;
    } else {
        client->totals.statuses[slot->status]++;
    }
    if (!client->window) {
        client->totals.answered++;
        client->on_answer(slot, slot->due, slot->status);
    } else if (!client->ending) {
        client->totals.resets++;
    }
    return 0;
}

static void begin_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, connection->slot_count);
    nghttp2_session_client_new2(&connection->session, callbacks, connection, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
                                         {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
}

static int connect_to(struct connection *connection)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)connection->port)};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&to, sizeof to) < 0)
        return -1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (tls_connect(connection) < 0)
        return -1;
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    begin_session(connection);
    return 0;
}

int connection_open(struct connection *connection, struct client *client, int port, struct slot *slots, unsigned count)
{
    connection->client = client;
    connection->port = port;
    connection->slots = slots;
    connection->slot_count = count;
    for (unsigned i = 0; i < count; i++) {
        slots[i].connection = connection;
        slots[i].next_free = connection->free;
        connection->free = &slots[i];
    }
    return connect_to(connection);
}

/* Whether the server takes no more calls here: it has hung up, or said that it is about to. */
int connection_is_over(const struct connection *connection)
{
    return connection->broken || !nghttp2_session_check_request_allowed(connection->session);
}

/* Connect anew in place of a broken connection; its calls end without a status. */
int connection_reopen(struct connection *connection)
{
    nghttp2_session_del(connection->session);
    close(connection->fd);
    connection->open = connection->out_length = connection->out_sent = 0;
    for (unsigned i = 0; i < connection->slot_count; i++) {
        struct slot *slot = &connection->slots[i];
        if (slot->id <= 0)
            continue;
        slot->id = 0;
        slot->next_free = connection->free;
        connection->free = slot;
        connection->client->on_answer(slot, slot->due, -1);
    }
    connection->broken = 0;
    return connect_to(connection);
}

#define HEADER(NAME, VALUE) \
    {(uint8_t *)(NAME), (uint8_t *)(VALUE), strlen(NAME), strlen(VALUE), \
     NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

/* Open a stream on a free slot; its first message goes out with it. */
void connection_call(struct slot *slot, uint64_t due)
{
    struct connection *connection = slot->connection;
    struct client *client = connection->client;
    nghttp2_nv headers[] = {
        HEADER(":method", "POST"), HEADER(":scheme", client->tls ? "https" : "http"), HEADER(":path", client->path),
        HEADER(":authority", client->authority), HEADER("te", "trailers"),
        HEADER("content-type", "application/grpc"), HEADER("grpc-timeout", *slot->timeout ? slot->timeout : client->timeout),
        HEADER("", ""), HEADER("", ""), /* room for those that a caller may bring */
    };
    size_t header_count = sizeof headers / sizeof *headers - 2;
    if (client->authorization)
        headers[header_count++] = (nghttp2_nv)HEADER("authorization", client->authorization);
    if (client->traceparent)
        headers[header_count++] = (nghttp2_nv)HEADER("traceparent", client->traceparent);
    nghttp2_data_provider body = {.source = {.ptr = slot}, .read_callback = on_read};
    connection->free = slot->next_free;
    slot->status = -1;
    slot->due = due;
    slot->to_send = slot->in_flight = slot->first = slot->last = slot->prefix_seen = 0;
    slot->judged = 0;
    slot->skip = 0;
    take_message(slot);
    if (client->window) {
        slot->dues[slot->last++ % MOST_IN_WINDOW] = due;
        slot->in_flight = 1;
    }
    slot->id = nghttp2_submit_request(connection->session, NULL, headers, header_count, &body, slot);
    if (slot->id < 0)
        break_off(connection);
    else
        connection->open++;
}

/* Send one more message on an open stream. */
void connection_message(struct slot *slot, uint64_t due)
{
    slot->dues[slot->last++ % MOST_IN_WINDOW] = due;
    slot->in_flight++;
    slot->to_send++;
    nghttp2_session_resume_data(slot->connection->session, slot->id);
}

/* Give a call up, as a caller does whose deadline is over. */
void connection_cancel(struct slot *slot)
{
    nghttp2_submit_rst_stream(slot->connection->session, NGHTTP2_FLAG_NONE, slot->id, NGHTTP2_CANCEL);
}

/* Whether one more call can be sent now: a slot is free, and the server allows another stream. */
int connection_has_room(const struct connection *connection)
{
    return !connection_is_over(connection) && connection->free &&
           connection->open < nghttp2_session_get_remote_settings(connection->session,
                                                                  NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

/* Let an open stream end. */
void connection_end(struct slot *slot)
{
    if (slot->id > 0)
        nghttp2_session_resume_data(slot->connection->session, slot->id);
}

void connection_read(struct connection *connection)
{
    static uint8_t buffer[1 << 18];
    do {
        ssize_t got = bytes_receive(connection, buffer, sizeof buffer);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0 || nghttp2_session_mem_recv(connection->session, buffer, (size_t)got) < 0)
            break_off(connection);
    } while (!connection->broken && bytes_wait(connection));
}

/* Write everything that waits, many frames to a system call. */
void connection_flush(struct connection *connection)
{
    const uint8_t *frame;
    while (!connection->broken) {
        while (connection->out_length < OUT_ROOM / 2) {
            ssize_t length = nghttp2_session_mem_send(connection->session, &frame);
            if (length < 0)
                break_off(connection);
            if (length <= 0)
                break;
            memcpy(connection->out + connection->out_length, frame, (size_t)length);
            connection->out_length += (size_t)length;
        }
        if (connection->out_sent == connection->out_length)
            return;
        ssize_t sent = bytes_send(connection, connection->out + connection->out_sent,
                                  connection->out_length - connection->out_sent);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (sent <= 0) {
            break_off(connection);
            return;
        }
        connection->out_sent += (size_t)sent;
        if (connection->out_sent == connection->out_length)
            connection->out_sent = connection->out_length = 0;
    }
}
