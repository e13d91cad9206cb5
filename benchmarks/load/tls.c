#include "tls.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>

/* A context that trusts one authority and offers HTTP/2; NULL where the file can't be used. */
SSL_CTX *tls_open(const char *authority_file)
{
    static const unsigned char offered[] = {2, 'h', '2'};
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    if (!context || SSL_CTX_load_verify_locations(context, authority_file, NULL) != 1)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_protos(context, offered, sizeof offered);
    return context;
}

/* Shake hands on a connected, blocking socket; -1 where that fails. Nothing to do without TLS. */
int tls_connect(struct connection *connection)
{
    if (!connection->client->tls)
        return 0;
    if (connection->tls)
        SSL_free(connection->tls);
    connection->tls = SSL_new(connection->client->tls);
    if (!connection->tls || SSL_set_fd(connection->tls, connection->fd) != 1)
        return -1;
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection->tls), "127.0.0.1");
    return SSL_connect(connection->tls) == 1 ? 0 : -1;
}

/* Translate to what recv and send return: -1 and EAGAIN where the socket has to be waited for. */
static ssize_t as_socket_result(struct connection *connection, int done)
{
    if (done > 0)
        return done;
    int why = SSL_get_error(connection->tls, done);
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t bytes_receive(struct connection *connection, void *to, size_t room)
{
    if (!connection->tls)
        return recv(connection->fd, to, room, 0);
    return as_socket_result(connection, SSL_read(connection->tls, to, (int)room));
}

ssize_t bytes_send(struct connection *connection, const void *from, size_t length)
{
    if (!connection->tls)
        return send(connection->fd, from, length, MSG_NOSIGNAL);
    return as_socket_result(connection, SSL_write(connection->tls, from, (int)length));
}

/* Whether bytes that came are still to be taken: poll does not report them. */
int bytes_wait(const struct connection *connection)
{
    return connection->tls && SSL_pending(connection->tls) > 0;
}
