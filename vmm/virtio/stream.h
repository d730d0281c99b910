/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of a guest's port: a stream of bytes to whoever connects to a socket, one at a
 * time, or on a terminal (a pty's master), which is always there. Nothing is kept here: what the
 * other side does not take stays where it is.
 */
#ifndef VMM_VIRTIO_STREAM_H
#define VMM_VIRTIO_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct stream;

struct stream_owner {
	/* Somebody came, or may be read from or written to, or has gone. stream_wait() is to follow. */
	void (*turn)(void *opaque);
	void *opaque;
};

/* fd listens (a stream socket), or is the terminal; borrowed. 0 or -errno. */
int stream_new(struct loop *loop, int fd, bool terminal, const struct stream_owner *owner,
	     struct stream **ret);
struct stream *stream_free(struct stream *stream); /* NULL is fine */

bool stream_is_open(const struct stream *stream);

/* Bytes that came; 0: none now, or none any more. */
size_t stream_read(struct stream *stream, void *buf, size_t len);
/* Bytes that it took; 0: no room now. One that has gone takes all, for nobody. */
size_t stream_write(struct stream *stream, const void *buf, size_t len);

/*
 * Call turn() when there is something to read (in), or room to write (out). Lets go of a client that
 * has gone: of all that it said, when the guest takes it (takes), sooner or later; else at once.
 */
void stream_wait(struct stream *stream, bool in, bool out, bool takes);

#endif
