/* Files of gRPC messages. */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "client.h"

void fail(const char *why);
struct messages read_messages(const char *name);

#endif
