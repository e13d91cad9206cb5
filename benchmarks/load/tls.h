/* TLS for connections: what recv, send and connect are without it. */
#ifndef TLS_H
#define TLS_H

#include "client.h"

SSL_CTX *tls_open(const char *authority_file);
int tls_connect(struct connection *connection);
ssize_t bytes_receive(struct connection *connection, void *to, size_t room);
ssize_t bytes_send(struct connection *connection, const void *from, size_t length);
int bytes_wait(const struct connection *connection);

#endif
